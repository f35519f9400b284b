/** What a matrix of implementations is made of: each can be the client and the server of a task. */
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

/** What one side is to do. The client sends `send` and gets `expect` back, on one bidirectional stream. */
export interface Task {
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

/** What one side got. */
export interface Received {
  readonly bytes: number
  /** Undefined when the implementation does not let anyone look. */
  readonly sha256: string | undefined
  /** From the first stream to the peer's end of it; undefined when nobody measured. */
  readonly millis: number | undefined
}

export interface RunningServer {
  readonly port: number
  /** What the first client delivered. */
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

export type Role = "client" | "server"
