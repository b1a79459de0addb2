// docs/reference/graph-errors.md from the table of Meta's error codes.
import { codeTable, type GraphFault } from '../../lib/graph/codes.js';

const head = `# Errors of Meta's Graph API

Made by \`scripts/reference\` from lib/graph/codes.ts; a test holds it. \`provision\` and \`doctor\` print the code with what to do, and so does the log. Codes that are not here are judged by their HTTP status.

| code | kind | means | what to do |
|---|---|---|---|
`;

const kinds: Readonly<Record<GraphFault, string>> = {
  token: 'the token is not taken', permission: 'the token, or the app, may not do this', rate: 'asked too often: left alone for the time that Meta names, a second otherwise',
  temporary: "trouble of Meta's: questions, and changes of settings, are repeated, three attempts in all; a message to a user never is", refused: 'no, and it will be no again',
  unreachable: 'no connection was made, so nothing was sent: repeated', late: 'no answer in time, or half of one: a message to a user may have been sent', nonsense: 'an answer that is none of the Graph API\'s, such as a web page',
};

export function graphPage(): string {
  const rows = Object.entries(codeTable).map(([code, { fault, meaning, todo }]) => `| ${code} | ${fault} | ${meaning} | ${todo} |\n`);
  const meanings = Object.entries(kinds).map(([kind, meaning]) => `| ${kind} | ${meaning} |\n`);
  return `${head}${rows.join('')}\n| kind | means |\n|---|---|\n${meanings.join('')}`;
}
