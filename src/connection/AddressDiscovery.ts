import { type ObservationNumbers, PathObservation } from "../nat/PathObservation.ts"
import { FrameType } from "../wire/FrameType.ts"
import { addressOfBytes, type SocketAddress } from "../wire/SocketAddress.ts"
import { TransportError, TransportErrorCode } from "../wire/TransportError.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import type { TransportSettings } from "./ConnectionConfig.ts"

/** The values of address_discovery. draft-ietf-quic-address-discovery */
export const addressDiscoveryValues = { provide: 0, receive: 1, both: 2 } as const

interface ObservedPath {
  readonly id: number
  readonly routes: { observation: PathObservation | undefined }
}

/** Whether each end tells the other its address, and is told its own: by what both have declared. */
export class AddressDiscovery {
  private readonly settings: TransportSettings
  private readonly paths: Iterable<ObservedPath>
  private isUsed = false
  private numbers: ObservationNumbers | undefined = undefined

  constructor(settings: TransportSettings, paths: Iterable<ObservedPath>) {
    this.settings = settings
    this.paths = paths
  }

  /** Applies the peer's parameters to the paths that there are. */
  start({ addressDiscovery: theirs }: TransportParameters): void {
    const ours = this.settings.addressDiscovery ?? "none"
    if (ours === "none" || theirs === undefined) return
    const { provide, receive } = addressDiscoveryValues
    const isTelling = ours !== "receive" && theirs !== provide
    this.isUsed = isTelling || (ours !== "provide" && theirs !== receive)
    if (isTelling) this.numbers = { next: 0 }
    for (const path of this.paths) this.observe(path)
  }

  /** A path joins. */
  observe({ id, routes }: ObservedPath): void {
    if (this.isUsed) routes.observation = new PathObservation(id, this.numbers)
  }

  /** OBSERVED_ADDRESS, if it says something new: the address. */
  onObserved(
    { observation }: Pick<ObservedPath["routes"], "observation">,
    number: number,
    bytes: Uint8Array,
    ipStart: number,
    ipEnd: number,
    port: number
  ): SocketAddress | TransportError | undefined {
    if (observation === undefined)
      return new TransportError(
        TransportErrorCode.PROTOCOL_VIOLATION,
        "OBSERVED_ADDRESS that was not negotiated",
        FrameType.OBSERVED_ADDRESS
      )
    const address = addressOfBytes(bytes, ipStart, ipEnd, port)
    return observation.onObserved(number, address) ? address : undefined
  }
}
