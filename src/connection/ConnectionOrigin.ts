import type { SocketNumber } from "../path/Route.ts"
import type { InitialKeys } from "../protect/initialKeys.ts"
import type { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** What the first packets of a connection determine. */
export interface ConnectionOrigin {
  /** The version of the client's first flight. */
  readonly version: Version
  readonly remote: SocketAddress
  /** The local socket the connection uses. */
  readonly socket: SocketNumber
  /** The source connection ID of all our long headers. */
  readonly localInitialId: Uint8Array
  /** client: the random DCID of its first Initial; server: the DCID of the client's first Initial. */
  readonly originalDestination: Uint8Array
  /** server: the client's SCID; client: the random DCID again. */
  readonly peerInitialId: Uint8Array
  /** server: the DCID of the accepted Initial when it followed a Retry. */
  readonly retrySource: Uint8Array | undefined
  /** server: the keys that authenticated the client's first packet. */
  readonly initialKeys?: InitialKeys
  /** server: a token validated the client's address. RFC 9000 §8.1 */
  readonly addressValidated: boolean
  /** client: from the NEW_TOKEN of an earlier connection to this server. RFC 9000 §8.1.3 */
  readonly addressToken: Uint8Array | undefined
}
