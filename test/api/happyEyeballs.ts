/** A client and a server with an address of each family, told apart by their hosts. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AddressResolver } from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { type ConnectOptions, Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"

export const SIX = "fd00::2"
export const FOUR = "10.0.0.2"
export const PORT = 4433

const [four, six] = [`${FOUR}:${PORT}`, `[${SIX}]:${PORT}`].map(NetAddress.inetAddressFromStringUnsafe)

/** `both.example` has an address of each family; `many.example` has twenty more, where nobody answers. */
const resolver = Layer.succeed(AddressResolver, {
  resolve: (name: string) =>
    Effect.succeed(name.startsWith("many") ? [...Array.from({ length: 20 }, nobody), four] : [four, six])
} as unknown as AddressResolver["Service"])

const nobody = (_: unknown, i: number) => NetAddress.inetAddressFromStringUnsafe(`10.0.9.${i}:${PORT}`)

export interface Delays {
  readonly sixMillis?: number
  readonly fourMillis?: number
}

export const dualStack = Effect.fnUntraced(function* ({ sixMillis = 5, fourMillis = 5 }: Delays = {}) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const near = network.host("client", "10.0.0.1", "fd00::1")
  const six = network.host("six", SIX)
  const four = network.host("four", FOUR)
  network.connect(near, core, { name: "uplink 6", delayMillis: 5, from: "fd00::1" })
  network.connect(near, core, { name: "uplink 4", delayMillis: 5, from: "10.0.0.1" })
  network.connect(six, core, { delayMillis: sixMillis })
  network.connect(four, core, { delayMillis: fourMillis })
  const identity = yield* Identity.generateRawKey.pipe(
    Effect.provide(Layer.merge(near.layer, LiveCryptoSuite.layer))
  )
  const capabilities = Layer.mergeAll(LiveCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]), resolver)
  const serve = (host: string, at: typeof six) =>
    QuicEndpoint.make({ host, port: PORT, server: { alpn: ["test"], identity, earlyData: true } }).pipe(
      Effect.provide(Layer.merge(at.layer, capabilities))
    )
  const servers = { six: yield* serve(SIX, six), four: yield* serve(FOUR, four) }
  const startClient = QuicEndpoint.make().pipe(Effect.provide(Layer.merge(near.layer, capabilities)))
  const client = yield* startClient
  const options: ConnectOptions = { host: "both.example", port: PORT, alpn: ["test"] }
  return { network, servers, client, startClient, options }
})
