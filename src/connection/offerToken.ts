import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { TokenOffer } from "./TokenOffer.ts"
import type { VersionChoice } from "./VersionChoice.ts"

/** What a token for the next connection depends on. */
export interface OfferingConnection {
  readonly config: ConnectionConfig
  readonly versions: VersionChoice
  readonly paths: { readonly active: { readonly remote: SocketAddress } }
  readonly frames: { readonly tokens: TokenOffer }
}

/** server: issues a token for the address the client has validated. RFC 9000 §8.1.3 */
export const offerToken = (
  { config, frames, paths, versions }: OfferingConnection,
  nowMicros: number
): void => {
  const { remote } = paths.active
  frames.tokens.issue(remote.host, () => config.makeAddressToken(remote, versions.negotiated, nowMicros))
}
