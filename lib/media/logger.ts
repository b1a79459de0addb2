/** What media needs of a logger; pino fits. */
export interface MediaLogger {
  debug(details: object, text: string): void;
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}
