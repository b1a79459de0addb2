import { readdir, readFile } from 'node:fs/promises';
import type { RtpengineConfig } from '../../config/types.js';
import { mediaInterface } from '../interfaces.js';

/** A program whose media ports are ours too. */
export interface Overlap {
  readonly pid: number;
  readonly first: number;
  readonly last: number;
}

/**
 * Other rtpengine on this machine that take ports of the same range on an address of ours: each gives out what the other has, and calls are mute
 * now and then. Seen by their command lines (proc(5)), so those with a configuration file of their own are not; none where there is no /proc.
 */
export async function overlapping(config: Pick<RtpengineConfig, 'interface' | 'ports'>, own: number | null): Promise<readonly Overlap[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const ours = new Set([config.interface.meta, config.interface.peers].map((text) => mediaInterface(text).local));
  const found = await Promise.all(pids.map(async (pid): Promise<Overlap[]> => {
    if (pid === own) return [];
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!args.some((arg) => /(^|\/)rtpengine(-daemon)?$/.test(arg))) return [];
    const option = (name: string): string[] => args.flatMap((arg) => (arg.startsWith(`--${name}=`) ? [arg.slice(name.length + 3)] : []));
    const [first, last] = [Number(option('port-min')[0]), Number(option('port-max')[0])];
    // Of "name/local!public" the local address; one that listens everywhere listens on ours.
    const theirs = option('interface').map((text) => mediaInterface(text.replace(/^[^/]*\//, '')).local);
    const shared = theirs.length === 0 || theirs.some((address) => ours.has(address) || address === '0.0.0.0' || address === '::');
    return shared && first <= config.ports.last && last >= config.ports.first ? [{ pid, first, last }] : [];
  }));
  return found.flat();
}
