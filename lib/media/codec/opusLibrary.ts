// libopus as the package @evan/opus has it in WebAssembly. Its own wrapper gives neither concealment nor in-band FEC; the module's functions do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The part of WebAssembly that is used here; the types of Node.js 20 have none of it. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: Readonly<Record<string, Readonly<Record<string, () => number>>>>) => { readonly exports: unknown };
};

interface OpusFunctions {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  stackSave(): number;
  stackRestore(stack: number): void;
  opus_encoder_get_size(channels: number): number;
  opus_encoder_init(encoder: number, rate: number, channels: number, application: number): number;
  opus_encoder_ctl_set(encoder: number, request: number, value: number): number;
  opus_encode(encoder: number, pcm: number, samples: number, out: number, most: number): number;
  opus_decoder_get_size(channels: number): number;
  opus_decoder_init(decoder: number, rate: number, channels: number): number;
  opus_decode(decoder: number, packet: number, length: number, pcm: number, samples: number, fec: number): number;
}

/** The longest packet that is decoded, in octets: 120 ms of two frames each of the longest kind are no longer (RFC 6716 §3.2). */
const PACKET_BYTES = 8192;
/** The longest frame that is encoded (RFC 6716 §3.4). */
const ENCODED_BYTES = 1275;
/** 120 ms at 48 kHz. */
const PCM_SAMPLES = 5760;

/** Whether this machine has WebAssembly's vector instructions: a module of one function that uses one. */
const VECTORS = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11);

function load(): OpusFunctions {
  const file = createRequire(import.meta.url).resolve(`@evan/opus/wasm/${WebAssembly.validate(VECTORS) ? 'simd' : 'opus'}.wasm`);
  const nothing = (): number => 0;
  const leave = (): never => { throw new Error('libopus gave up'); };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {
    wasi_snapshot_preview1: { fd_seek: nothing, fd_write: nothing, fd_close: nothing, proc_exit: leave },
    env: { emscripten_notify_memory_growth: nothing },
  });
  const functions = exports as OpusFunctions;
  functions._initialize();
  return functions;
}

/** One module with one memory for all encoders and decoders of a thread; it is loaded on first use. */
export class OpusLibrary {
  #loaded: { functions: OpusFunctions; packet: number; pcm: number } | null = null;
  #bytes = new Uint8Array(0);
  #samples = new Int16Array(0);

  get #library(): { functions: OpusFunctions; packet: number; pcm: number } {
    if (this.#loaded !== null) return this.#loaded;
    const functions = load();
    this.#loaded = { functions, packet: functions.malloc(PACKET_BYTES), pcm: functions.malloc(2 * PCM_SAMPLES) };
    return this.#loaded;
  }

  /** Octets of memory that the module has; it never gives any back. */
  get memoryBytes(): number {
    return this.#library.functions.memory.buffer.byteLength;
  }

  makeEncoder(rate: number, application: number): number {
    const { functions } = this.#library;
    const encoder = this.#allocate(functions.opus_encoder_get_size(1));
    const fault = functions.opus_encoder_init(encoder, rate, 1, application);
    if (fault < 0) this.free(encoder);
    checked(fault);
    return encoder;
  }

  set(encoder: number, request: number, value: number): void {
    checked(this.#library.functions.opus_encoder_ctl_set(encoder, request, value));
  }

  encode(encoder: number, pcm: Int16Array, room: number): Buffer {
    const { functions, packet, pcm: at } = this.#library;
    if (pcm.length > PCM_SAMPLES) throw new RangeError('a frame of Opus lasts 120 ms at most');
    this.#look();
    this.#samples.set(pcm, at >> 1);
    const length = checked(functions.opus_encode(encoder, at, pcm.length, packet, ENCODED_BYTES));
    this.#look();
    const out = Buffer.allocUnsafe(room + length);
    out.set(this.#bytes.subarray(packet, packet + length), room);
    return out;
  }

  makeDecoder(rate: number): number {
    const { functions } = this.#library;
    const decoder = this.#allocate(functions.opus_decoder_get_size(1));
    const fault = functions.opus_decoder_init(decoder, rate, 1);
    if (fault < 0) this.free(decoder);
    checked(fault);
    return decoder;
  }

  /** Decodes at most `samples`; with `fec`, and without a packet, exactly so many. The result is valid until the next call of any method. */
  decode(decoder: number, payload: Uint8Array | null, samples: number, fec: boolean): Int16Array {
    const { functions, packet, pcm } = this.#library;
    const length = payload?.length ?? 0;
    if (length > PACKET_BYTES) throw new RangeError('no packet of Opus is so long');
    this.#look();
    if (payload !== null) this.#bytes.set(payload, packet);
    const stack = functions.stackSave();
    try {
      const decoded = checked(functions.opus_decode(decoder, payload === null ? 0 : packet, length, pcm, samples, fec ? 1 : 0));
      this.#look();
      return this.#samples.subarray(pcm >> 1, (pcm >> 1) + decoded);
    } finally {
      functions.stackRestore(stack);
    }
  }

  /** A decoder that stopped amid its work begins anew. */
  resetDecoder(decoder: number, rate: number): void {
    this.#library.functions.opus_decoder_init(decoder, rate, 1);
  }

  free(pointer: number): void {
    this.#library.functions.free(pointer);
  }

  #allocate(bytes: number): number {
    const pointer = this.#library.functions.malloc(bytes);
    if (pointer === 0) throw new RangeError('no memory left for Opus');
    return pointer;
  }

  /** Memory that has grown is another buffer. */
  #look(): void {
    const { buffer } = this.#library.functions.memory;
    if (this.#bytes.buffer === buffer) return;
    this.#bytes = new Uint8Array(buffer);
    this.#samples = new Int16Array(buffer);
  }
}

/** A negative code of opus_defines.h: the call did nothing. Any other error means that libopus stopped amid its work. */
export class OpusRefusal extends Error {}

function checked(result: number): number {
  if (result < 0) throw new OpusRefusal(`libopus: error ${result}`);
  return result;
}
