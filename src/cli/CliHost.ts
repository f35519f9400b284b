/** What the command line needs of the machine it runs on, beyond Effect's platform services and the transport's own. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { EndpointNode } from "../FiberTree.ts"
import type { Identity, IdentityError } from "../Identity.ts"

/** A digest over bytes that come piece by piece. */
export interface RunningDigest {
  update(bytes: Uint8Array): void
  /** 64 hex digits; the digest is used up by it. */
  hex(): string
}

/** The trees of one process. */
export interface ProcessTree {
  readonly pid: number
  readonly command: string
  readonly endpoints: ReadonlyArray<EndpointNode>
}

export interface CliHostShape {
  /** Of this user; by process number. */
  readonly running: Effect.Effect<ReadonlyArray<ProcessTree>, { readonly message: string }>
  readonly version: string
  /** The command, and its first arguments, that starts this program once more. */
  readonly self: readonly [command: string, ...args: ReadonlyArray<string>]
  readonly sha256: () => RunningDigest
  readonly monotonicMillis: () => number
  /** Host names and addresses default to those of the machine itself. */
  readonly developmentCertificate: (hosts?: ReadonlyArray<string>) => Effect.Effect<Identity, IdentityError>
  readonly trust: {
    readonly system: Effect.Effect<CertificateVerifierShape>
    readonly authorities: (pem: string) => Effect.Effect<CertificateVerifierShape, IdentityError>
    readonly certificates: (pem: string) => Effect.Effect<CertificateVerifierShape, IdentityError>
    readonly keys: (
      keys: ReadonlyArray<string | Uint8Array>
    ) => Effect.Effect<CertificateVerifierShape, IdentityError>
  }
}

export class CliHost extends Context.Service<CliHost, CliHostShape>()("effect-quic/cli/CliHost") {}
