/** What an endpoint is made from, and what a client brings along from earlier connections. */
import type { RetryPolicy } from "../admission/Admission.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import type { PreferredAddresses, TlsSettings, TransportSettings } from "../connection/ConnectionConfig.ts"
import type { ConnectionObserver } from "../connection/Connection.ts"
import type { ClientResumption, ServerResumption } from "../handshake/TlsSession.ts"
import type { Role } from "../wire/Role.ts"

export interface EndpointConfig {
  readonly suite: CryptoSuiteShape
  readonly random: RandomBytes
  /** Makes the observer of a new connection; left out, nobody watches. */
  readonly observe?: (
    role: Role,
    originalDestination: Uint8Array,
    nowMicros: number
  ) => ConnectionObserver | undefined
  /**
   * Bytes of the connection IDs we issue, 4 … 20: never none, as many connections share a port. RFC 9000 §5.1 #3,
   * §17.2 #2 #4, §18.2 #3 #4, §19.15 #2
   */
  readonly connectionIdBytes: number
  /** Stateless-reset tokens are made from it; left out, from a random one. RFC 9000 §10.3.2 */
  readonly resetKey?: Uint8Array | undefined
  /** Whether the socket reads and writes ECN marks; not, when left out. */
  readonly ecn?: boolean
  /** Set to accept connections. */
  readonly server: ServerConfig | undefined
}

export interface ServerConfig {
  readonly tls: TlsSettings
  readonly transport: TransportSettings
  /** Where clients are asked to move once they are connected. RFC 9000 §9.6 */
  readonly preferred?: PreferredAddresses | undefined
  /** Defaults to never. */
  readonly retry?: RetryPolicy
  /** The most unfinished handshakes, see `Admission`; unlimited by default. */
  readonly maxHandshakes?: number
  /** Without it no tickets are issued or accepted. */
  readonly tickets?: ServerResumption
}

/** What a client has kept from earlier connections to a server. */
export interface ClientMemory {
  readonly addressToken: Uint8Array | undefined
  readonly resumption: ClientResumption
}
