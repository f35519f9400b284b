/** The interface of an implementation in the matrix: each can be client and server of a task. */
import type { Role } from "../../src/wire/Role.ts"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Identity } from "../../src/Identity.ts"

/** The application protocol on streams; see application/. */
export type Application = "transfer" | "http3"

/** Bytes to send, in memory and as a file. */
export interface Payload {
  readonly name: string
  readonly file: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

/** An identity, in every form an implementation may need. */
export type Credential =
  | {
      readonly kind: "x509"
      readonly identity: Identity
      /** PEM files; others trust the CA's certificate. */
      readonly certFile: string
      readonly keyFile: string
      readonly authorityFile: string
      readonly authority: Uint8Array
    }
  | {
      readonly kind: "rawPublicKey"
      readonly identity: Identity
      /** Ed25519, 32 bytes in hex. */
      readonly secretHex: string
      readonly publicHex: string
    }

/** Where the two are, when that is not loopback. */
export interface Place {
  /** What a command begins with to be run there, such as `ip netns exec NAME`. */
  readonly launcher: ReadonlyArray<string>
  /** The server's address. */
  readonly host: string
}

/** What a task asks for beyond transferring bytes. The side concerned does it; the case checks that it happened. */
export interface Features {
  /** Number of streams the client opens, each carrying all of the bytes; default 1. */
  readonly streams?: number
  readonly cipherSuite?: "TLS_CHACHA20_POLY1305_SHA256"
  /** The server sends a Retry to every client. RFC 9000 §8.1.2 */
  readonly retry?: boolean
  /** The client does everything twice; the second connection resumes the session of the first, or sends 0-RTT data. */
  readonly comeBack?: "resumption" | "earlyData"
  /** The side that initiates a key update once data flows. RFC 9001 §6 */
  readonly keyUpdate?: Role
  /** `unknown`: the client starts with a version the server does not support and falls back to version 1. */
  readonly version?: "unknown" | "v2"
  /** Number of datagrams the client sends first; the server echoes each. RFC 9221 */
  readonly datagrams?: number
  /** The client migrates to another local port once data flows. RFC 9000 §9.2 */
  readonly migrate?: boolean
  /** The client opens a second path once data flows, and abandons the first once the second carries data. */
  readonly multipath?: boolean
}

/** One side's task. The client sends `send` and receives `expect` on one bidirectional stream. */
export interface Task extends Features {
  readonly application: Application
  readonly self: Credential
  /** The only identity to trust. */
  readonly trusted: Credential
  /** Whether clients authenticate too; with raw public keys they always do. */
  readonly mutual: boolean
  readonly send: Payload
  readonly expect: Payload
  readonly place?: Place
}

export interface ClientTask extends Task {
  readonly port: number
}

/** What an implementation reports about its latest connection; every field is optional. */
export interface Seen {
  readonly version?: number
  readonly cipherSuite?: string
  readonly resumed?: boolean
  /** Whether 0-RTT data was accepted. */
  readonly earlyData?: boolean
  readonly keyUpdates?: number
  /** Paths on which much of the data arrived. draft-ietf-quic-multipath */
  readonly paths?: number
  /** client: how often it has moved because its network interfaces changed. */
  readonly automaticMoves?: number
  /** Number of datagrams received. */
  readonly datagrams?: number
}

/** What one side received over all streams of all connections. */
export interface Received {
  readonly bytes: number
  /** Digest of each stream's content; undefined if the implementation does not expose it. */
  readonly sha256: string | undefined
  /** From the first stream to the peer's FIN; undefined if not measured. */
  readonly millis: number | undefined
  readonly seen: Seen
}

export interface RunningServer {
  readonly port: number
  /** What the client delivered, once it is complete. */
  readonly received: Effect.Effect<Received, InteropFailure>
}

/** A failed task; `detail` is for debugging. */
export class InteropFailure extends Schema.TaggedError<InteropFailure>()("InteropFailure", {
  reason: Schema.String,
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.reason
  }
}

/** Runs either side of a connection for the duration of a scope. */
export interface Implementation {
  readonly name: string
  /** False if, as a client, it cannot initiate key updates: then the server does. */
  readonly startsKeyUpdates?: boolean
  readonly server: (
    task: Task
  ) => Effect.Effect<RunningServer, InteropFailure, ChildProcessSpawner | Scope.Scope>
  readonly client: (
    task: ClientTask
  ) => Effect.Effect<Received, InteropFailure, ChildProcessSpawner | Scope.Scope>
}

/** A third-party implementation. */
export interface Peer extends Implementation {
  /** For example `quiche 0.18, npm @matrixai/quic`. */
  readonly description: string
  readonly application: Application
  readonly credentials: Credential["kind"]
  /** Makes it ready to run; fails with what to install. */
  readonly prepare: Effect.Effect<void, InteropFailure, ChildProcessSpawner>
  /** Why it cannot run a case in *its* role, or undefined if it can. */
  readonly cannot: (caseName: string, role: Role) => string | undefined
}
