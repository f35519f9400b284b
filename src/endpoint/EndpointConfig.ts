/** The configuration of an endpoint, and what a client remembers of earlier connections. */
import type { PathScheduler } from "../capability/PathScheduling.ts"
import type { RetryPolicy } from "../admission/Admission.ts"
import type { Limits } from "../admission/Limits.ts"
import type { ShardNumber } from "../capability/Shard.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import type { PreferredAddresses, TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import type { ConnectionObserver } from "../connection/Connection.ts"
import type { ClientResumption, ServerResumption } from "../handshake/TlsSession.ts"
import type { SocketNumber } from "../path/Route.ts"
import type { Role } from "../wire/Role.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

export interface EndpointConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Creates the observer of a new connection. */
  readonly observe?: (
    role: Role,
    originalDestination: Uint8Array,
    nowMicros: number
  ) => ConnectionObserver | undefined
  /**
   * Length of our connection IDs, 4 … 20: never 0, as many connections share a port. RFC 9000 §5.1 #3,
   * §17.2 #2 #4, §18.2 #3 #4, §19.15 #2
   */
  readonly connectionIdBytes: number
  /** Which of several endpoints with one port this is; default: the only one. */
  readonly shard?: ShardNumber | undefined
  /** The key for stateless reset tokens; default: random. RFC 9000 §10.3.2 */
  readonly resetKey?: Uint8Array | undefined
  /** The local address of a socket, for traces; default: the unspecified address. */
  readonly addressOf?: (socket: SocketNumber) => SocketAddress
  /** Whether the socket reads and writes ECN marks; default: false. */
  readonly ecn?: boolean
  /** Default: `defaultLimits`. */
  readonly limits?: Limits
  /** Whether anything is spent on strangers from an address; default: always. */
  readonly admits?: ((from: SocketAddress) => boolean) | undefined
  /** Makes the scheduler of each connection's paths; default: `earliest`. */
  readonly scheduler?: (() => PathScheduler) | undefined
  /** Set to accept connections. */
  readonly server: ServerConfig | undefined
}

export interface ServerConfig {
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** Where clients are asked to migrate after the handshake. RFC 9000 §9.6 */
  readonly preferred?: PreferredAddresses | undefined
  /** Default: never. */
  readonly retry?: RetryPolicy | undefined
  /** 32 bytes of all servers that accept each other's address tokens; default: only its own are accepted. */
  readonly tokenSecret?: Uint8Array | undefined
  /** Without it no tickets are issued or accepted. */
  readonly tickets?: ServerResumption
}

/** The local address of a socket whose address nobody knows. */
export const unspecifiedAddress = (): SocketAddress => ({ host: "0.0.0.0", port: 0, family: 4 })

/** What a client remembers of earlier connections to a server. */
export interface ClientMemory {
  readonly addressToken: Uint8Array | undefined
  readonly resumption: ClientResumption
}
