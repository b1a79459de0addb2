/** A refusal of the API: what its answer says. */
export class ApiError extends Error {
  readonly status: number;
  /** Stable; a rule of policy, or one of docs/reference/api.md. */
  readonly code: string;
  /** Id of the call that was refused; null: none began. */
  readonly call: string | null;

  constructor(status: number, code: string, message: string, call: string | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.call = call;
  }
}
