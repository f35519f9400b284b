/** Snapshots for `effect-quic top`, with numbers a test can follow. */
import type { ProcessTree } from "../../src/cli/CliHost.ts"
import type { EndpointStatistics } from "../../src/capability/EndpointStatistics.ts"
import type { ConnectionNode, EndpointNode, PathNode, StreamNode } from "../../src/FiberTree.ts"

export const pathNode = (over: Partial<PathNode> = {}): PathNode => ({
  state: "active",
  carriesData: true,
  isSilent: false,
  id: 0,
  routes: [
    {
      local: { family: 4, host: "10.0.0.1", port: 4433 },
      remote: { family: 4, host: "10.0.0.2", port: 50_000 },
      isCurrent: true,
      validation: "idle"
    }
  ],
  smoothedRttMillis: 25,
  congestionWindowBytes: 14_520,
  bytesInFlight: 1452,
  datagramBytes: 1452,
  bytesSent: 0,
  bytesReceived: 0,
  datagramsSent: 0,
  datagramsReceived: 0,
  packetsSent: 0,
  packetsLost: 0,
  ...over
})

export const streamNode = (over: Partial<StreamNode> = {}): StreamNode => ({
  id: 0,
  ageMillis: 1000,
  fiber: undefined,
  waiting: 0,
  sending: { state: "open", bytes: 0, bufferedBytes: 0 },
  receiving: { state: "open", bytes: 0, bufferedBytes: 0 },
  ...over
})

export const connectionNode = (over: Partial<ConnectionNode> = {}): ConnectionNode => ({
  id: "0123456789abcdef",
  role: "server",
  state: "established",
  fiber: 2,
  remote: { family: 4, host: "10.0.0.2", port: 50_000 },
  version: 1,
  traversal: undefined,
  alpn: "echo",
  ageMillis: 3000,
  handler: undefined,
  fibers: 4,
  waiting: 1,
  bonding: "singlePath",
  paths: [pathNode()],
  streams: [],
  holdings: {
    streams: 0,
    sendBufferBytes: 0,
    receiveBufferBytes: 0,
    datagramBytes: 0,
    packetsInFlight: 0,
    localConnectionIds: 1,
    peerConnectionIds: 1,
    routes: 1,
    sendCreditBytes: 0,
    receiveCreditBytes: 0,
    owedCreditBytes: 0,
    openableStreams: 0,
    grantedStreams: 0,
    owedStreams: 0
  },
  ...over
})

export const statistics = (over: Partial<EndpointStatistics> = {}): EndpointStatistics => ({
  datagramsReceived: 0,
  datagramsSent: 0,
  bytesReceived: 0,
  bytesSent: 0,
  packetsReceived: 0,
  packetsSent: 0,
  packetsLost: 0,
  bytesLost: 0,
  dropped: {
    rateLimited: 0,
    unauthentic: 0,
    duplicate: 0,
    malformed: 0,
    unknownConnection: 0,
    rejected: 0,
    keyUnavailable: 0
  },
  statelessReplies: { retry: 0, refusal: 0, versionNegotiation: 0, statelessReset: 0 },
  handshakes: { inFlight: 0, completed: 0, failed: 0 },
  connectionsActive: 0,
  traversal: {
    attempts: 0,
    successes: 0,
    direct: 0,
    relayed: 0,
    coordinations: 0,
    coordinationMillis: 0,
    probes: {
      sent: 0,
      bytes: 0,
      answered: 0,
      addresses: 0,
      refused: { round: 0, addresses: 0, rate: 0, bytes: 0, address: 0 }
    }
  },
  strikes: 0,
  closes: {
    localApplication: 0,
    peerApplication: 0,
    localTransport: 0,
    localStrikes: 0,
    peerTransport: 0,
    localAlert: 0,
    peerAlert: 0,
    idleTimeout: 0,
    handshakeTimeout: 0,
    statelessReset: 0,
    versionNegotiation: 0
  },
  reorderBufferBytes: 0,
  ...over
})

export const endpointNode = (over: Partial<EndpointNode> = {}): EndpointNode => ({
  local: { family: 4, host: "10.0.0.1", port: 4433 },
  fiber: 1,
  state: "open",
  ageMillis: 10_000,
  sockets: 1,
  fibers: 5,
  timers: 1,
  routedIds: 1,
  resetTokens: 0,
  backlog: 0,
  strangers: 0,
  statistics: statistics(),
  peers: [],
  connections: [],
  ...over
})

export const processTree = (over: Partial<EndpointNode> = {}, pid = 7): ProcessTree => ({
  pid,
  command: "/usr/bin/effect-quic perf server",
  endpoints: [endpointNode(over)]
})

/** `count` connections that have each received what `bytesOf` says. */
export const connections = (
  count: number,
  bytesOf: (i: number) => number = () => 0
): ReadonlyArray<ConnectionNode> =>
  Array.from({ length: count }, (_, i) =>
    connectionNode({
      fiber: 100 + i,
      remote: { family: 4, host: "10.0.0.2", port: 50_000 + i },
      paths: [pathNode({ bytesReceived: bytesOf(i) })]
    })
  )
