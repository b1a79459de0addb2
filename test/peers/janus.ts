import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { freePort, mediaPorts, programPorts } from '../helpers/ports.js';

interface Reply { readonly janus: string; readonly data?: { id: number }; readonly plugindata?: { data: { result?: { event: string; sdp?: string }; error?: string } }; readonly jsep?: { type: string; sdp: string } }

/** Janus as Meta's ICE-lite side: its NoSIP plugin turns plain RTP into WebRTC and back, so a test speaks plain RTP to it. */
export interface Janus {
  /** A plain description given, its WebRTC one back. */
  process(type: 'offer' | 'answer', sdp: string): Promise<string>;
  /** A WebRTC description given, its plain one back. */
  generate(type: 'offer' | 'answer', sdp: string): Promise<string>;
  /** Another handle in the same process. */
  another(): Promise<Pick<Janus, 'process' | 'generate'>>;
  close(): Promise<void>;
}

/** Starts Janus in ICE-lite mode on loopback, with a handle of the NoSIP plugin. `calls`: handles that there may be, 50 at most. */
export async function startJanus(calls = 1): Promise<Janus> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-janus-'));
  const http = await freePort();
  const ports = calls === 1 ? (await programPorts()).first : Number((await mediaPorts()).split('-')[0]);
  const configs: Record<string, string> = {
    'janus.jcfg': `general: { configs_folder = "${dir}", plugins_folder = "/usr/lib/x86_64-linux-gnu/janus/plugins", transports_folder = "/usr/lib/x86_64-linux-gnu/janus/transports", events_folder = "/nonexistent", loggers_folder = "/nonexistent", debug_level = 4, interface = "127.0.0.1", server_name = "meta" }
media: { rtp_port_range = "${ports}-${ports + 10 * calls - 1}" }
nat: { ice_lite = true, ice_enforce_list = "127.0.0.1", full_trickle = false }
plugins: { disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_videoroom.so,libjanus_voicemail.so" }
transports: { disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so" }`,
    'janus.transport.http.jcfg': `general: { json = "compact", base_path = "/janus", http = true, port = ${http}, ip = "127.0.0.1", https = false }`,
    'janus.plugin.nosip.jcfg': `general: { local_ip = "127.0.0.1", rtp_port_range = "${ports + 10 * calls}-${ports + 20 * calls - 1}" }`,
  };
  for (const [name, text] of Object.entries(configs)) await writeFile(join(dir, name), `${text}\n`);
  const child = spawn('janus', ['-F', dir, '-C', join(dir, 'janus.jcfg')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => { output += data.toString(); });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
    await exited;
    clearTimeout(timer);
    await rm(dir, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${http}/janus`;
  const post = async (path: string, body: object): Promise<Reply> => {
    const response = await fetch(url + path, { method: 'POST', body: JSON.stringify({ transaction: randomUUID(), ...body }) });
    return await response.json() as Reply;
  };
  const openHandle = async (): Promise<Pick<Janus, 'process' | 'generate'>> => {
    const session = `/${(await post('', { janus: 'create' })).data!.id}`;
    const handle = `${session}/${(await post(session, { janus: 'attach', plugin: 'janus.plugin.nosip' })).data!.id}`;
    const ask = async (wanted: string, body: object, jsep?: object): Promise<Reply> => {
      await post(handle, { janus: 'message', body, ...(jsep === undefined ? {} : { jsep }) });
      // Other events (webrtcup, media) come by the same way.
      for (;;) {
        const event = await (await fetch(`${url}${session}?maxev=1`)).json() as Reply;
        const data = event.plugindata?.data;
        if (data?.error !== undefined) throw new Error(`janus: ${data.error}\n${output}`);
        if (data?.result?.event === wanted) return event;
      }
    };
    return {
      process: async (type, sdp) => (await ask('processed', { request: 'process', type, sdp })).jsep!.sdp,
      generate: async (type, sdp) => (await ask('generated', { request: 'generate' }, { type, sdp })).plugindata!.data.result!.sdp!,
    };
  };
  try {
    const deadline = Date.now() + 15_000;
    while (!(await fetch(`${url}/info`).then((response) => response.ok, () => false))) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`janus did not get ready: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { ...await openHandle(), another: openHandle, close };
  } catch (error) {
    await close();
    throw error;
  }
}
