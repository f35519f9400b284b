/** What a matrix of implementations is made of: each can be the client and the server of a task. */
import type { Role } from "../../src/wire/Role.ts"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Identity } from "../../src/Identity.ts"

/** What an implementation speaks over its streams; see application/. */
export type Application = "transfer" | "http3"

/** Bytes to be sent, in memory and as a file. */
export interface Payload {
  readonly name: string
  readonly file: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

/** Who someone is, in every form that an implementation may want. */
export type Credential =
  | {
      readonly kind: "x509"
      readonly identity: Identity
      /** PEM files; the certificate of the authority is what others trust. */
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

/** What a task asks for beyond its bytes. Whoever has a say in it sees to it; the case looks at what came of it. */
export interface Features {
  /** The client opens this many streams, and each carries all of the bytes; 1 when left out. */
  readonly streams?: number
  readonly cipherSuite?: "TLS_CHACHA20_POLY1305_SHA256"
  /** The server sends every client away once, to prove its address. RFC 9000 §8.1.2 */
  readonly retry?: boolean
  /** The client does everything twice, over two connections; the second resumes the session of the first, or sends early. */
  readonly comeBack?: "resumption" | "earlyData"
  /** Who asks for new keys once data flows. RFC 9001 §6 */
  readonly keyUpdate?: Role
  /** `unknown` is one that the server does not speak: the client begins with it, and takes version 1 when told. */
  readonly version?: "unknown" | "v2"
  /** As many datagrams as this the client sends, before anything else, and the server sends each back. RFC 9221 */
  readonly datagrams?: number
  /** The client moves to another local port once data flows. RFC 9000 §9.2 */
  readonly migrate?: boolean
}

/** What one side is to do. The client sends `send` and gets `expect` back, on one bidirectional stream. */
export interface Task extends Features {
  readonly application: Application
  readonly self: Credential
  /** Whom to believe, and nobody else. */
  readonly trusted: Credential
  /** Whether clients prove who they are, too; with raw public keys they always do. */
  readonly mutual: boolean
  readonly send: Payload
  readonly expect: Payload
}

export interface ClientTask extends Task {
  readonly port: number
}

/** What an implementation says about its connection, the latest one; it need not say all of it. */
export interface Seen {
  readonly version?: number
  readonly cipherSuite?: string
  readonly resumed?: boolean
  /** 0-RTT data was accepted. */
  readonly earlyData?: boolean
  readonly keyUpdates?: number
  /** How many datagrams arrived. */
  readonly datagrams?: number
}

/** What one side got over all streams of all connections. */
export interface Received {
  readonly bytes: number
  /** Of what each stream carried; undefined when the implementation does not let anyone look. */
  readonly sha256: string | undefined
  /** From the first stream to the peer's end of it; undefined when nobody measured. */
  readonly millis: number | undefined
  readonly seen: Seen
}

export interface RunningServer {
  readonly port: number
  /** What the client delivered, as soon as that is all the task says. */
  readonly received: Effect.Effect<Received, InteropFailure>
}

/** It did not work; `detail` is for whoever has to find out why. */
export class InteropFailure extends Schema.TaggedError<InteropFailure>()("InteropFailure", {
  reason: Schema.String,
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.reason
  }
}

/** Either side of a connection, for the duration of a scope. */
export interface Implementation {
  readonly name: string
  /** False for one that, as a client, only follows when keys change: the server asks for new ones then. */
  readonly startsKeyUpdates?: boolean
  readonly server: (
    task: Task
  ) => Effect.Effect<RunningServer, InteropFailure, ChildProcessSpawner | Scope.Scope>
  readonly client: (
    task: ClientTask
  ) => Effect.Effect<Received, InteropFailure, ChildProcessSpawner | Scope.Scope>
}

/** An implementation nobody here wrote. */
export interface Peer extends Implementation {
  /** For example `quiche 0.18, npm @matrixai/quic`. */
  readonly description: string
  readonly application: Application
  readonly credentials: Credential["kind"]
  /** Makes it ready to run; fails with what to install. */
  readonly prepare: Effect.Effect<void, InteropFailure, ChildProcessSpawner>
  /** What it cannot do, by case and by *its* role: the reason, or undefined when it can. */
  readonly cannot: (caseName: string, role: Role) => string | undefined
}
