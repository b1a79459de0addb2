import { stat } from 'node:fs/promises';
import { metaSources, metaSourcesDate } from '../config/metaSources.js';
import type { Config } from '../config/types.js';
import { graphClient, type GraphClient } from '../graph/client.js';
import { GraphError } from '../graph/error.js';
import { healthFacts, type Fact } from '../graph/provision/facts.js';
import { verifyNumber } from '../graph/provision/provision.js';
import { fail, ok, warn, type Finding, type Findings } from './finding.js';

/** Meta's settings and health of each number that has an id. */
export async function examineNumbers(config: Config): Promise<Findings> {
  const { graph } = config;
  if (graph === null) return [];
  const client = graphClient(graph);
  const numbers = Object.entries(config.numbers).filter(([, { id }]) => id !== null);
  return (await Promise.all(numbers.map(([number, { id, settings }]) => (settings === null ? examineHealth(client, number, id ?? '') : examineSettings(client, config, number))))).flat();
}

async function examineSettings(client: GraphClient, config: Config, number: string): Promise<Findings> {
  const { differences, facts, fault } = await verifyNumber({ client, config, now: Date.now }, number);
  if (fault !== null) return [fail('number', `${number}: ${fault.text}`, fault.todo ?? 'look at graph')];
  const differing = differences.map(({ key, is, wanted }) => warn('number', `${number}: ${key} is ${is} at Meta, and not ${wanted}`, 'wa-b2bua provision apply'));
  return [...differing.length === 0 ? [ok('number', `${number}: the settings at Meta are as the configuration wants them`)] : differing, ...facts.map((fact) => finding(number, fact))];
}

async function examineHealth(client: GraphClient, number: string, id: string): Promise<Findings> {
  try {
    return healthFacts(await client.health(id)).map((fact) => finding(number, fact));
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    return [fail('number', `${number}: ${error.message}`, error.todo)];
  }
}

function finding(number: string, { level, text, todo }: Fact): Finding {
  return level === 'ok' ? ok('number', `${number}: ${text}`) : warn('number', `${number}: ${text}`, todo ?? 'look at the number in WhatsApp Manager');
}

/** A list of Meta's addresses may be so old, ms. */
const oldAfter = 180 * 86_400_000;

/** Whether the list of Meta's addresses is old: calls from new ones are not answered. `now` in milliseconds since 1970. */
export async function examineSources({ meta: { sources, sourcesFile } }: Config, now: number): Promise<Findings> {
  const todo = "wa-b2bua sources update --from FILE with the output of whois -h whois.radb.net -- '-i origin AS32934'";
  const written = sourcesFile === null ? null : await stat(sourcesFile).then(({ mtimeMs }) => mtimeMs, () => null);
  if (written !== null) return [judge(`the list of Meta's addresses in ${sourcesFile}`, written, now, todo)];
  if (!metaSources.every((prefix) => sources.includes(prefix))) return [];
  return [judge("the built-in list of Meta's addresses", Date.parse(metaSourcesDate), now, `${todo}, and meta.sourcesFile`)];
}

function judge(what: string, date: number, now: number, todo: string): Finding {
  const text = `${what} is of ${new Date(date).toISOString().slice(0, 10)}`;
  return now - date > oldAfter ? warn('sources', text, todo) : ok('sources', text);
}
