/** Draws a scenario from a seed: most are small, a few are large in every dimension. */
import type { Fault, LinkConditions, ScheduledFault } from "../../layers/sim/index.ts"
import type { TransportOptions } from "../../src/index.ts"
import { Draw } from "./ScenarioRandom.ts"
import { drawPaths } from "./drawPaths.ts"
import {
  addresses,
  type ClientPlan,
  names,
  type Scenario,
  type ServerPlan,
  type StreamKind,
  type Task,
  type Visit
} from "./Scenario.ts"

const healAtMillis = 12_000

export const draw = (seed: string | number): Scenario => {
  const random = new Draw(`scenario ${seed}`)
  const interleaving = random.chance(0.7) ? "seeded" : "fifo"
  const server = drawServer(random)
  const hasCables = random.chance(0.3)
  const clients = random.times(random.of([1, 1, 1, 1, 2, 3]), (index) => drawClient(random, index, hasCables))
  const faults = drawFaults(random, clients, server, hasCables)
  return drawPaths({ seed: String(seed), interleaving, server, clients, faults, healAtMillis }, drawLink)
}

const drawServer = (random: Draw): ServerPlan => ({
  uplink: drawLink(random),
  transport: drawTransport(random),
  retry: random.of(["never", "always", "underLoad"]),
  earlyData: random.chance(0.7)
})

const drawClient = (random: Draw, index: number, hasCables: boolean): ClientPlan => {
  const way = hasCables ? "cable" : random.chance(0.4) ? "nat" : "router"
  return {
    way,
    link: drawLink(random),
    transport: {
      ...drawTransport(random),
      // a client that only listens sends nothing: only keep-alives reveal that its NAT binding has expired
      keepAliveInterval: random.between(500, 3_000)
    },
    // x25519 is cheap and common; P-256 now and then causes a HelloRetryRequest
    groups: random.chance(0.9)
      ? ["x25519"]
      : random.of([["secp256r1"], ["x25519MlKem768", "x25519"]] as const),
    visits: random.times(random.of([1, 1, 1, 2, 2, 3]), (visit) => drawVisit(random, visit, index))
  }
}

const drawLink = (random: Draw): Partial<LinkConditions> => ({
  delayMillis: random.of([0, 1, 5, 15, 40, 120]),
  ...(random.chance(0.4) && { jitterMillis: random.between(1, 30) }),
  ...(random.chance(0.5) && { bitsPerSecond: random.size(300_000, 100_000_000) }),
  ...(random.chance(0.3) && { queueBytes: random.size(6_000, 200_000) }),
  ...(random.chance(0.2) && { markAboveBytes: random.size(3_000, 60_000) }),
  ...(random.chance(0.3) && { lossRate: random.nextDoubleUnsafe() * 0.1 }),
  ...(random.chance(0.2) && { duplicateRate: random.nextDoubleUnsafe() * 0.2 }),
  ...(random.chance(0.2) && { corruptRate: random.nextDoubleUnsafe() * 0.05 }),
  ...(random.chance(0.3) && {
    reorderRate: random.nextDoubleUnsafe() * 0.2,
    reorderMillis: random.between(1, 40)
  }),
  ...(random.chance(0.2) && { mtu: random.between(1_280, 1_500) })
})

const drawTransport = (random: Draw): TransportOptions => ({
  handshakeTimeout: 120_000,
  maxIdleTimeout: 120_000,
  // accepted data is delivered however bad the network is
  closeTimeout: 200_000,
  congestion: random.of(["cubic", "cubic", "newReno", "bbr", "lia"]),
  ...(random.chance(0.3) && { versions: random.of([["v1"], ["v1", "v2"], ["v2", "v1"]] as const) }),
  ...(random.chance(0.4) && {
    connectionWindowBytes: random.size(16_384, 500_000),
    streamWindowBytes: random.size(1_200, 100_000)
  }),
  ...(random.chance(0.3) && { sendBufferBytes: random.size(1_200, 100_000) }),
  ...(random.chance(0.3) && {
    maxBidirectionalStreams: random.between(1, 5),
    maxUnidirectionalStreams: random.between(1, 5)
  }),
  ...(random.chance(0.2) && { activeConnectionIdLimit: random.between(2, 4) }),
  ...(random.chance(0.2) && { rotateIdsAfterPackets: random.size(20, 500) }),
  ...(random.chance(0.2) && {
    maxAckDelay: random.between(0, 100),
    ackDelayExponent: random.between(0, 10)
  }),
  ...(random.chance(0.2) && { initialRtt: random.size(10, 1_000) }),
  maxDatagramFrameBytes: random.of([0, 1_500, 65_535])
})

const drawVisit = (random: Draw, visit: number, index: number): Visit => ({
  afterMillis: visit === 0 ? random.below(2_000) * +(index > 0) : random.below(1_000),
  earlyData: visit > 0 && random.chance(0.7),
  ...(random.chance(0.07) && { abandonAfterMillis: random.size(1, 3_000) }),
  near: random.times(random.size(1, random.chance(0.1) ? 80 : 14), () => drawTask(random, true)),
  far: random.times(random.below(random.chance(0.1) ? 40 : 5), () => drawTask(random, false)),
  closeCode: random.chance(0.2) ? random.below(100) : undefined
})

const streamKinds: ReadonlyArray<StreamKind> = [
  "echo",
  "echo",
  "upload",
  "download",
  "resetUpload",
  "stopUpload",
  "resetDownload",
  "stopDownload"
]

const drawTask = (random: Draw, isClient: boolean): Task => {
  const tag = random.nextTag()
  const timed = {
    tag,
    atMillis: random.chance(0.5) ? 0 : random.size(1, 10_000),
    ...(random.chance(0.1) && { cancelAfterMillis: random.size(1, 5_000) })
  }
  const kind = random.below(10)
  if (kind === 0) {
    const count = random.size(1, 30)
    return { ...timed, kind: "calls", bytes: random.size(1, 3_000), count, concurrency: random.between(1, 8) }
  }
  if (kind === 1) {
    const count = random.size(1, 60)
    return {
      ...timed,
      kind: "datagrams",
      bytes: random.between(8, 1_200),
      count,
      pauseMillis: random.below(30)
    }
  }
  if (kind === 2) {
    const { cancelAfterMillis: _, ...whole } = timed
    const commands = ["rotateIds", "updateKeys", "ping", "migrate"] as const
    return { ...whole, kind: commands[random.below(isClient ? 4 : 3)] }
  }
  const bytes = random.chance(0.05) ? random.size(100_000, 1_000_000) : random.size(1, 60_000)
  const at = random.below(bytes + 1)
  return {
    ...timed,
    kind: random.of(streamKinds),
    bytes,
    chunk: random.size(100, 60_000),
    pauseMillis: random.chance(0.7) ? 0 : random.between(1, 50),
    at,
    deliver: random.chance(0.5) ? 0 : random.below(at + 1),
    code: 1_000 + tag,
    priority: random.below(3)
  }
}

const drawFaults = (
  random: Draw,
  clients: ReadonlyArray<ClientPlan>,
  server: ServerPlan,
  hasCables: boolean
): ReadonlyArray<ScheduledFault> => {
  const moves = clients.map(() => 0)
  const links = clients.map((_, index) => names.link(index))
  if (!hasCables) links.push(names.uplink)
  const drawFault = (): Fault => {
    const forMillis = random.size(10, 5_000)
    const link = random.of(links)
    const client = random.below(clients.length)
    const direction = random.chance(0.6) ? {} : { direction: random.of(["forward", "backward"] as const) }
    const choice = random.below(10)
    if (choice < 3) return { kind: "linkDown", link, forMillis, ...direction }
    if (choice === 3)
      return {
        kind: "partition",
        groups: [[names.client(client)], [names.server]],
        forMillis,
        oneWay: random.chance(0.5)
      }
    if (choice === 4 && clients[client].way === "nat") return { kind: "rebind", nat: names.nat(client) }
    if (
      choice === 5 &&
      clients[client].way === "router" &&
      server.transport.disableActiveMigration !== true
    ) {
      const from = addresses.moved(client, moves[client])
      return {
        kind: "changeAddress",
        host: names.client(client),
        from,
        to: addresses.moved(client, ++moves[client])
      }
    }
    if (choice === 7 && random.chance(0.15)) return { kind: "crash", host: names.server, forMillis }
    if (choice === 8 && clients[client].way === "router" && random.chance(0.5)) {
      const address = addresses.moved(client, moves[client])
      return { kind: "interfaceDown", host: names.client(client), address, forMillis }
    }
    if (choice === 6 && random.chance(0.5)) {
      const host = random.of([names.client(client), names.server])
      return { kind: "clockJump", host, byMillis: (random.chance(0.5) ? 1 : -1) * random.size(1, 1e9) }
    }
    return { kind: "conditions", link, conditions: drawConditions(random), forMillis, ...direction }
  }
  return random
    .times(random.of([0, 1, 2, 3, 4, 6, 8]), () => random.size(1, 7_000))
    .sort((a, b) => a - b)
    .map((atMillis) => ({ atMillis, fault: drawFault() }))
}

const drawConditions = (random: Draw): Partial<LinkConditions> =>
  random.of<() => Partial<LinkConditions>>([
    () => ({ lossRate: 0.1 + random.nextDoubleUnsafe() * 0.6 }),
    () => ({ delayMillis: random.size(1, 1_000), jitterMillis: random.size(1, 200) }),
    () => ({ bitsPerSecond: random.size(20_000, 1_000_000) }),
    () => ({ duplicateRate: 0.2 + random.nextDoubleUnsafe() * 0.8 }),
    () => ({ corruptRate: 0.1 + random.nextDoubleUnsafe() * 0.5 }),
    () => ({ reorderRate: 0.5, reorderMillis: random.size(1, 300) }),
    () => ({ mtu: random.between(1_240, 1_400) }),
    () => ({ queueBytes: random.size(2_000, 10_000), bitsPerSecond: random.size(100_000, 2_000_000) })
  ])()
