/** The network of a scenario, and the endpoints on it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Network, SimHost } from "../../layers/sim/index.ts"
import { type Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { addresses, type ClientPlan, names, type Scenario } from "./Scenario.ts"
import { LiveCryptoSuite } from "../io.ts"

export const port = 4433

export interface Hosts {
  readonly server: SimHost
  readonly clients: ReadonlyArray<SimHost>
}

export const buildNetwork = (network: Network, scenario: Scenario): Hosts => {
  const server = network.host(names.server, addresses.server)
  const hasRouter = scenario.clients.some(({ way }) => way !== "cable")
  const router = hasRouter ? network.router(names.router) : undefined
  if (router !== undefined) network.connect(router, server, { name: names.uplink, ...scenario.server.uplink })
  const clients = scenario.clients.map((plan, index) => {
    const own = [addresses.client(index), ...(plan.second === undefined ? [] : [addresses.second(index)])]
    const host = network.host(names.client(index), ...own)
    const isFirst = plan.second === undefined ? {} : { from: addresses.client(index) }
    const link = { name: names.link(index), ...isFirst, ...plan.link }
    if (plan.second !== undefined)
      network.connect(host, router ?? server, {
        name: names.second(index),
        from: addresses.second(index),
        ...plan.second
      })
    if (router === undefined) network.connect(host, server, link)
    else if (plan.way === "nat") {
      const nat = network.nat(names.nat(index), addresses.nat(index))
      network.connect(host, nat.inside, link)
      network.connect(nat.outside, router, { delayMillis: 1 })
    } else network.connect(host, router, link)
    return host
  })
  return { server, clients }
}

const shared = (host: SimHost, trust: ReturnType<typeof Trust.layerRawKeys>) =>
  Layer.mergeAll(host.layer, LiveCryptoSuite.layer, trust)

export const makeServer = (host: SimHost, { server }: Scenario, identity: Identity.Identity) =>
  QuicEndpoint.make({
    port,
    server: {
      alpn: ["chaos"],
      identity,
      transport: server.transport,
      retry: server.retry,
      earlyData: server.earlyData
    }
  }).pipe(Effect.provide(shared(host, Trust.layerRawKeys([]))))

export const makeClient = (host: SimHost, identity: Identity.Identity) =>
  QuicEndpoint.make().pipe(Effect.provide(shared(host, Trust.layerRawKeys([identity.peerId]))))

export const connectOptions = ({ transport, groups }: ClientPlan, earlyData: boolean) => ({
  host: addresses.server,
  port,
  alpn: ["chaos"],
  cipherSuites: ["aes-128-gcm"] as const,
  groups,
  transport,
  // as long as the handshake: two lost probes in a row, and the next is sent sixteen seconds later
  connectTimeout: 120_000,
  earlyData
})
