/** `RelayPort` of a simulated host. A relay's URL names its host by address, as `http://203.0.113.10:3340/`. */
import * as Effect from "effect/Effect"
import { type RelayIdentity, RelayError, type RelayPortShape } from "../../../src/capability/RelayPort.ts"
import { urlHost } from "../../../src/internal/relayUrl.ts"
import { type SocketAddress, socketAddress } from "../../../src/wire/SocketAddress.ts"
import type { HostStreams } from "../stream/HostStreams.ts"
import { SimRelayLink } from "./SimRelayLink.ts"

const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

const addressIn = (url: string): SocketAddress | undefined => {
  if (!URL.canParse(url)) return undefined
  const target = new URL(url)
  const { port, protocol } = target
  return socketAddress(urlHost(target), port === "" ? defaultPorts[protocol] : Number(port))
}

const open = (
  streams: HostStreams,
  url: string,
  identity: RelayIdentity
): Effect.Effect<SimRelayLink, RelayError> =>
  Effect.suspend(() => {
    const to = addressIn(url)
    const stream = to && streams.connect(to)
    if (stream !== undefined) return Effect.succeed(new SimRelayLink(url, stream, identity))
    const message =
      to === undefined ? "simulated relays are named by their addresses" : `there is no way to ${to.host}`
    return Effect.fail(new RelayError({ reason: "Unreachable", url, message }))
  })

export const simRelayPort = (streams: HostStreams): RelayPortShape => ({
  connect: (url, identity) =>
    Effect.gen(function* () {
      const link = yield* Effect.acquireRelease(open(streams, url, identity), (made) =>
        Effect.sync(() => made.close())
      )
      yield* Effect.onError(link.authenticated, () => Effect.sync(() => link.close()))
      return link
    }),
  // simulated relays prove nothing to their clients
  discoveryVerifier: () =>
    Effect.succeed({ certificateTypes: ["rawPublicKey", "x509"], verify: () => Effect.void })
})
