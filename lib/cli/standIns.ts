// The stand-ins stand on werift, an optional package: whoever runs the service alone leaves it out.

/** Said where it is missing. */
export const needsWerift = 'needs the package werift, which npm leaves out with --omit=optional';

/** What imports the stand-ins; null where werift is missing. */
export async function loadStandIns<T>(load: () => Promise<T>): Promise<T | null> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes('\'werift\'')) return null;
    throw error;
  }
}
