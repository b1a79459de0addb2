// Meta's error codes and what to do about them (docs/reference/graph-errors.md, by scripts/reference).

/** What a code means for whoever asked. */
export type GraphFault =
  /** The token is wrong or has run out. */
  | 'token'
  /** The token, or the app, may not do this. */
  | 'permission'
  /** Asked too often. */
  | 'rate'
  /** Meta's own trouble: it may go well later. */
  | 'temporary'
  /** It will be refused again. */
  | 'refused'
  /** No connection, so nothing was sent. */
  | 'unreachable'
  /** No answer in time, or the connection broke: what was asked may have been done. */
  | 'late'
  /** An answer that is none of the Graph API's. */
  | 'nonsense';

export interface CodeRow {
  readonly fault: GraphFault;
  readonly meaning: string;
  readonly todo: string;
}

const later = 'try again later; if it stays, look at https://metastatus.com/whatsapp-business-api';
const tokenTodo = 'put a token that is good into graph.token: one of a system user with whatsapp_business_messaging and whatsapp_business_management';
const mayNot = "give the token's system user the number's WhatsApp account, and the token whatsapp_business_messaging and whatsapp_business_management";
const fewer = 'ask less often: other programs with the same app count too';
const media = 'see where media is lost: docs/troubleshooting.md';

function row(fault: GraphFault, meaning: string, todo: string): CodeRow {
  return { fault, meaning, todo };
}

/** Codes of Meta's pages on calling and of the Graph API in general; 138019 to 138023 and 131026 come in webhooks alone. */
export const codeTable: Readonly<Record<number, CodeRow>> = {
  1: row('temporary', 'something went wrong at Meta', later),
  2: row('temporary', 'Meta is out of service for the moment', later),
  4: row('rate', 'the app has asked too often', fewer),
  10: row('permission', 'the token may not do this', mayNot),
  100: row('refused', 'a parameter is wrong', 'look at the details that Meta gives; numbers.*.id must be the phone number id, not the number'),
  190: row('token', 'the token is wrong or has run out', tokenTodo),
  200: row('permission', 'the token may not do this', mayNot),
  613: row('rate', 'call permissions were asked more than 100 times in a second', fewer),
  80007: row('rate', 'the WhatsApp account has been asked too often', fewer),
  131009: row('refused', 'a value is not taken, or a call button is not there in this country', 'look at the details that Meta gives'),
  131026: row('refused', 'the message cannot be delivered: no WhatsApp user, an old client, or terms not accepted', 'have the user update WhatsApp'),
  131030: row('refused', 'the user is not on the list of a test number', "add the user's number to the test number's recipients in the app's dashboard"),
  131044: row('refused', 'a payment is missing', 'add a method of payment to the WhatsApp account, or settle what is open'),
  131047: row('refused', 'more than 24 hours have passed since the user wrote', 'ask with a template: permissionRequest: { template: NAME, language: en }'),
  131055: row('refused', 'the number calls by SIP, and not by the Graph API', 'place the call by SIP'),
  138000: row('refused', 'calling is not enabled on the number', 'enable it: wa-b2bua provision apply'),
  138001: row('refused', 'the user cannot be called: no WhatsApp, an old client, or terms not accepted', 'reach the user in another way'),
  138002: row('rate', "the number carries Meta's most calls at once, 1000", 'call when others have ended'),
  138003: row('refused', 'there is a call between the number and this user already', 'wait until it has ended'),
  138004: row('temporary', 'the call could not be connected', later),
  138005: row('rate', 'the number places calls too quickly', 'lower numbers.*.callsPerSecond'),
  138006: row('refused', 'the user has not permitted calls', 'ask: wa-b2bua permission request, or numbers.*.permission: request'),
  138007: row('temporary', 'the answer was not applied in time', later),
  138009: row('refused', 'the user was asked already: once in 24 hours, twice in 7 days', 'wait; a connected call sets both counts back'),
  138012: row('refused', "Meta's most connected calls to this user in 24 hours are used up", 'call at the time that the details name'),
  138013: row('refused', 'business-initiated calls are not offered for this number', 'in USA, Canada, Egypt, Vietnam and Nigeria only users may call'),
  138014: row('refused', 'Meta has paused calls of this number for their quality', 'wait for the end of the pause: wa-b2bua provision verify shows it'),
  138015: row('refused', 'the messaging limit is under 2000 conversations', "raise the number's messaging limit first: verify the business, or send more good messages"),
  138017: row('refused', 'the user has permitted calls for good', 'call'),
  138018: row('refused', 'calling needs SIP, or an app that is subscribed to calls', 'enable SIP in the same request: wa-b2bua provision apply does'),
  138019: row('refused', 'the call could not be set up', media),
  138020: row('refused', 'the media relay failed', media),
  138021: row('refused', 'Meta got no media from us', media),
  138022: row('refused', 'the user got no media from Meta', media),
  138023: row('refused', 'the call was taken and there was no media', media),
  138024: row('refused', 'the number cannot take calls by SIP', 'wa-b2bua provision plan shows what its settings lack'),
  138025: row('refused', 'the app cannot take calls by SIP', "register the SIP server with this app's token: wa-b2bua provision apply"),
};

/** What a code means, or, of one that nobody knows, what its HTTP status and Meta's `is_transient` say. */
export function readCode(code: number | null, status: number, isTransient: boolean): CodeRow {
  const known = code === null ? undefined : codeTable[code];
  if (known !== undefined) return known;
  // Meta's pages of errors: 200 to 299 are permissions of an app.
  if ((code !== null && code >= 200 && code < 300) || status === 403) return row('permission', 'the token may not do this', mayNot);
  if (status === 429) return row('rate', 'asked too often', fewer);
  if (isTransient || status >= 500) return row('temporary', "trouble of Meta's", later);
  if (status === 401) return row('token', 'the token is not taken', tokenTodo);
  return row('refused', 'refused', 'look at the details that Meta gives');
}
