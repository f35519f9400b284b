import type { PeerPlaces } from "./capability/PeerLookup.ts"
import { sameAddress } from "./wire/SocketAddress.ts"

export const nowhere: PeerPlaces = { relays: [], addresses: [] }

/** The places of both, each once, those of the first in front. */
export const mergedPlaces = (first: PeerPlaces, second: PeerPlaces): PeerPlaces => ({
  relays: [...new Set([...first.relays, ...second.relays])],
  addresses: [
    ...first.addresses,
    ...second.addresses.filter((each) => !first.addresses.some((other) => sameAddress(other, each)))
  ]
})
