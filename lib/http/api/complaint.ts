/** One of ajv's complaints about a request; `parentSchema` is there with `verbose`. */
interface Complaint {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly parentSchema?: { readonly description?: string; readonly examples?: readonly unknown[] };
}

const parts: Readonly<Record<string, string>> = { body: 'body', params: 'the path', querystring: 'the query', headers: 'the head' };

/** What is wrong with a request, in words that name the key and say what is wanted. `part`: of the request, as fastify calls it. */
export function complaintOf(complaints: readonly Complaint[], part: string): string {
  const [first] = complaints;
  if (first === undefined) return 'the request is not as described';
  const where = parts[part] ?? part;
  const at = first.instancePath === '' ? where : `${first.instancePath.slice(1).replaceAll('/', '.')} of ${where}`;
  switch (first.keyword) {
    case 'additionalProperties': return `${at} has a key that is not described: ${String(first.params['additionalProperty'])}`;
    case 'required': return `${at} must have ${String(first.params['missingProperty'])}`;
    case 'const': return `${at} must be ${complaints.flatMap(({ params }) => ('allowedValue' in params ? [JSON.stringify(params['allowedValue'])] : [])).join(' or ')}`;
    case 'type': return at === 'body' ? 'the body must be a JSON object' : `${at} must be ${String(first.params['type'])}`;
    case 'pattern': {
      const { description, examples: [example] = [] } = first.parentSchema ?? {};
      return description === undefined ? `${at} ${first.message ?? ''}` : `${at} is not as described: ${description}${example === undefined ? '' : `, such as ${String(example)}`}`;
    }
    default: return `${at} ${first.message ?? ''}`;
  }
}
