import type { SocketNumber } from "../path/Route.ts"
import type { InitialKeys } from "../protect/initialKeys.ts"
import type { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** What the first packets of a connection determined. */
export interface ConnectionOrigin {
  /** The one of the client's first flight. */
  readonly version: Version
  readonly remote: SocketAddress
  /** Which of the endpoint's sockets leads there. */
  readonly socket: SocketNumber
  /** Our connection ID in every long header we send. */
  readonly localInitialId: Uint8Array
  /** client: the random DCID of its first Initial; server: the one that Initial came with. */
  readonly originalDestination: Uint8Array
  /** server: the client's SCID; client: the random DCID again. */
  readonly peerInitialId: Uint8Array
  /** server: the DCID of the Initial it accepts, when that came after a Retry. */
  readonly retrySource: Uint8Array | undefined
  /** server: the keys that authenticated the client's first packet. */
  readonly initialKeys?: InitialKeys
  /** server: the client's address was proven by a token. RFC 9000 §8.1 */
  readonly addressValidated: boolean
  /** client: from NEW_TOKEN of an earlier connection to the server. RFC 9000 §8.1.3 */
  readonly addressToken: Uint8Array | undefined
}
