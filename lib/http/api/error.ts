/** A refusal of the API: what its answer says. */
export class ApiError extends Error {
  readonly status: number;
  /** Stable; a rule of policy, or one of docs/reference/api.md. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}
