/** Which engines the whole calls run on: WAB_SIP=embedded|drachtio, WAB_MEDIA=rtpengine|freeswitch, and where their programs are. */
export const engines = {
  sip: choice('WAB_SIP', ['embedded', 'drachtio']),
  media: choice('WAB_MEDIA', ['rtpengine', 'freeswitch']),
  drachtio: process.env['WAB_DRACHTIO_BIN'] ?? 'drachtio',
  freeswitch: process.env['WAB_FREESWITCH_BIN'] ?? 'freeswitch',
} as const;

function choice<T extends string>(name: string, values: readonly [T, ...T[]]): T {
  const value = process.env[name] ?? values[0];
  const found = values.find((one) => one === value);
  if (found === undefined) throw new Error(`${name} is ${value}, not one of ${values.join(', ')}`);
  return found;
}
