/** Host services the command line needs beyond Effect's platform services and the transport's own. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EndpointStatistics } from "../capability/EndpointStatistics.ts"
import type { DrainResult } from "../EndpointDrain.ts"
import type { EndpointNode } from "../FiberTree.ts"
import type { Identity, IdentityError } from "../Identity.ts"
import type { QuicError } from "../QuicError.ts"
import type { RelayServerOptions } from "../RelayServerOptions.ts"
import type { RelayServerShape } from "../RelayServerShape.ts"
import type { CertificateVerifier, CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { CryptoSuite } from "../capability/CryptoSuite.ts"
import type { Entropy } from "../capability/Entropy.ts"
import type { UdpPort } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** An incremental digest. */
export interface RunningDigest {
  update(bytes: Uint8Array): void
  /** 64 hex digits; may be called only once. */
  hex(): string
}

/** The fiber trees of one process. */
export interface ProcessTree {
  readonly pid: number
  readonly command: string
  readonly endpoints: ReadonlyArray<EndpointNode>
}

/** A server in several threads. */
export interface ShardedServer {
  readonly address: SocketAddress
  readonly statistics: Effect.Effect<EndpointStatistics>
  readonly drain: (deadlineMillis: number) => Effect.Effect<DrainResult, QuicError>
}

export interface CliHostShape {
  /** All processes of this user, by PID. */
  readonly running: Effect.Effect<ReadonlyArray<ProcessTree>, { readonly message: string }>
  /** Waits until this process is asked to stop (Ctrl-C, SIGTERM); a second request interrupts it. */
  readonly stopRequested: Effect.Effect<void>
  readonly version: string
  /** The command and leading arguments that start this program again. */
  readonly self: readonly [command: string, ...args: ReadonlyArray<string>]
  readonly sha256: () => RunningDigest
  readonly monotonicMillis: () => number
  /** `hosts` defaults to the names and addresses of this machine. */
  readonly developmentCertificate: (hosts?: ReadonlyArray<string>) => Effect.Effect<Identity, IdentityError>
  readonly shards: {
    /** Whether this command runs in one of the threads of `start`. */
    readonly isShard: boolean
    /** Runs this command in as many threads, with `identity` for its development certificate. */
    readonly start: (
      count: number,
      identity: Identity
    ) => Effect.Effect<ShardedServer, QuicError, Scope.Scope>
  }
  /** Runs a relay in this process until the scope closes. */
  readonly relay: (
    options: RelayServerOptions
  ) => Effect.Effect<
    RelayServerShape,
    QuicError,
    CryptoSuite | Entropy | UdpPort | CertificateVerifier | Scope.Scope
  >
  /** Serves the metrics of this process to Prometheus, at `/metrics` of a TCP port of the loopback interface. */
  readonly serveMetrics: (port: number) => Effect.Effect<string, { readonly message: string }, Scope.Scope>
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
