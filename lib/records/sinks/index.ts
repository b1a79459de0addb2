import { printableJson } from '../../observe/printable.js';
import { splitListen } from '../../util/hostPort.js';
import { shownUrl } from '../../util/shownUrl.js';
import { httpSender } from './http.js';
import { Outbox, type OutboxOptions, type RecordSink } from './outbox.js';
import { syslogSender } from './syslog.js';

export type { SinkOutcome } from './outbox.js';

/** A row of cdr.sinks. */
export interface SinkConfig { readonly http: string | null; readonly authorization: string | null; readonly syslog: string | null }

/** Where each record goes beside the file. */
export interface RecordSinks {
  write(record: object): void;
  close(): Promise<void>;
}

export function openSinks(rows: readonly SinkConfig[], options: Omit<OutboxOptions, 'name'>): RecordSinks {
  const sinks = rows.flatMap((row) => sinksOf(row, options));
  return {
    write: (record) => {
      if (sinks.length === 0) return;
      const text = printableJson(JSON.stringify(record));
      for (const sink of sinks) sink.write(text);
    },
    close: async () => { await Promise.all(sinks.map((sink) => sink.close())); },
  };
}

function sinksOf({ http, authorization, syslog }: SinkConfig, options: Omit<OutboxOptions, 'name'>): RecordSink[] {
  const byHttp = http === null ? [] : [new Outbox(httpSender(http, authorization), { ...options, name: shownUrl(http) })];
  const server = syslog === null ? null : splitListen(syslog, ['udp', 'tcp']);
  if (server === null) return byHttp;
  const { send, close } = syslogSender(server);
  const outbox = new Outbox(send, { ...options, name: `syslog ${syslog ?? ''}` });
  return [...byHttp, {
    write: (record) => outbox.write(record),
    close: async () => {
      await outbox.close();
      close();
    },
  }];
}
