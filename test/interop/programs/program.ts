/**
 * Shared by the peer programs that run on Node: the command line, and events as lines of JSON on stdout.
 *
 * Every peer program speaks the same protocol over its streams. The client opens one bidirectional stream and sends its
 * file; the server sends its own file back at the same time, and finishes only after it has seen the client's FIN. A
 * client that sees the server's FIN has therefore delivered everything. Each side emits `received` for each stream.
 *
 * Further features of a task (see `Features` in ../Peer.ts), each with a flag:
 *
 * - `--streams N`: the client opens N streams, each as above, and closes after the last.
 * - `--come-back resumption | earlyData`: the client does everything twice, over two connections to the same server.
 *   The second resumes the session of the first; with `earlyData` the client sends everything as 0-RTT data.
 * - `--key-update client | server`: that side initiates a key update once it has received half a megabyte.
 * - `--migrate`: the client migrates to another local port once it has received half a megabyte.
 * - `--multipath`: more than one path is allowed.
 * - `--datagrams N`: the client sends N datagrams of 1000 bytes, each filled with its number, and opens streams once
 *   all have been echoed; the server echoes every datagram.
 * - `--cipher-suite NAME`, `--retry`, `--version unknown | v2`: as in `Features`.
 *
 * `seen` reports what the program knows about its connection, before the `received` of the last stream.
 */
import type { Role } from "../../../src/wire/Role.ts"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Features, Seen } from "../Peer.ts"
import type { StreamReceived } from "../Receipt.ts"

export interface Task extends Features {
  readonly role: Role
  /** The server's port, for a client. */
  readonly port: number
  /** The server's address. */
  readonly host: string
  readonly alpn: string
  readonly serverName: string
  /** PEM files: our own credentials and the trusted CA; a server without `ca` requests no client certificate. */
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** Raw public keys: our private key and the peer's public key, 32 bytes in hex. */
  readonly secret: string
  readonly peer: string
  /** The bytes to send. */
  readonly file: Uint8Array
  readonly streams: number
  readonly datagrams: number
}

export const readTask = (): Task => {
  // stdin ends when the parent dies
  process.stdin.on("end", () => process.exit(1)).resume()
  const text = { type: "string", default: "" } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: text,
      host: { type: "string", default: "127.0.0.1" },
      alpn: { type: "string", default: "transfer" },
      "server-name": text,
      cert: text,
      key: text,
      ca: text,
      secret: text,
      peer: text,
      send: text,
      streams: { type: "string", default: "1" },
      "cipher-suite": { type: "string" },
      retry: { type: "boolean", default: false },
      "come-back": { type: "string" },
      "key-update": { type: "string" },
      version: { type: "string" },
      datagrams: { type: "string", default: "0" },
      migrate: { type: "boolean", default: false },
      multipath: { type: "boolean", default: false }
    }
  })
  const [role] = positionals
  if (role !== "client" && role !== "server") throw new Error("the first argument is client or server")
  const { host, alpn, cert, key, ca, secret, peer } = values
  const features = {
    cipherSuite: values["cipher-suite"],
    retry: values.retry,
    comeBack: values["come-back"],
    keyUpdate: values["key-update"],
    version: values.version,
    migrate: values.migrate,
    multipath: values.multipath
  } as Features // passed by our own harness
  return {
    ...{ ...features, role, host, alpn, cert, key, ca, secret, peer },
    streams: Number(values.streams),
    datagrams: Number(values.datagrams),
    port: Number(values.port),
    serverName: values["server-name"],
    file: values.send === "" ? new Uint8Array() : readFileSync(values.send)
  }
}

/** How far a transfer has come. */
export interface Progress {
  readonly bytes: number
  /** The longest time without a byte so far. */
  readonly stallMillis: number
}

export type ProgramEvent =
  | { readonly event: "listening"; readonly port: number }
  | ({ readonly event: "received" } & StreamReceived)
  | ({ readonly event: "seen" } & Seen)
  | ({ readonly event: "progress" } & Progress)
  | { readonly event: "failed"; readonly reason: string }

export const emit = (event: ProgramEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

/** Exits once all output is flushed, which `process.exit` does not wait for when the pipe is full. */
export const leave = (): void => {
  process.stdout.write("", () => process.exit(0))
}

export const fail = (error: unknown): never => {
  emit({ event: "failed", reason: error instanceof Error ? error.message : String(error) })
  process.exit(1)
}
