/** What an endpoint reports it holds, without what differs between any two runs. */
import type { ConnectionNode, EndpointNode } from "../../src/FiberTree.ts"

const connectionInventory = (node: ConnectionNode) => {
  // these depend on how much was ever sent; `disagreements` compares them
  const { sendCreditBytes, receiveCreditBytes, openableStreams, grantedStreams, ...held } = node.holdings
  return {
    role: node.role,
    state: node.state,
    fibers: node.fibers,
    waiting: node.waiting,
    routes: node.paths.map(({ routes }) => routes.length),
    bytesInFlight: node.paths.reduce((sum, path) => sum + path.bytesInFlight, 0),
    streams: node.streams.map(({ fiber, waiting, sending, receiving }) => ({
      isServed: fiber !== undefined,
      waiting,
      sending: sending && { state: sending.state, bufferedBytes: sending.bufferedBytes },
      receiving: receiving && { state: receiving.state, bufferedBytes: receiving.bufferedBytes }
    })),
    held
  }
}

export const inventory = (node: EndpointNode) => {
  const { state, sockets, fibers, timers, routedIds, resetTokens, backlog, strangers } = node
  return {
    state,
    sockets,
    fibers,
    timers,
    routedIds,
    // one per connection ID in use, so it depends on who has migrated
    resetTokens: node.connections.length + node.peers.length === 0 ? resetTokens : "some",
    backlog,
    strangers,
    peers: node.peers.map((peer) => ({
      state: peer.state,
      waiting: peer.waiting,
      connections: peer.connections.map(connectionInventory)
    })),
    connections: node.connections.map(connectionInventory)
  }
}

export type Inventory = ReturnType<typeof inventory>

const connectionsOf = (node: EndpointNode): ReadonlyArray<ConnectionNode> => [
  ...node.connections,
  ...node.peers.flatMap(({ connections }) => connections)
]

/** Where the two ends of a connection disagree about what may still be sent: flow-control credit that was lost. */
export const disagreements = (one: EndpointNode, other: EndpointNode): ReadonlyArray<string> => {
  const [near, ...more] = connectionsOf(one).map(({ holdings }) => holdings)
  const [far] = connectionsOf(other).map(({ holdings }) => holdings)
  if (near === undefined || far === undefined || more.length > 0) return []
  const pairs = [
    ["bytes to the server", near.sendCreditBytes, far.receiveCreditBytes],
    ["bytes to the client", far.sendCreditBytes, near.receiveCreditBytes],
    ["streams of the client", near.openableStreams, far.grantedStreams],
    ["streams of the server", far.openableStreams, near.grantedStreams]
  ] as const
  return pairs
    .filter(([, mine, yours]) => mine !== yours)
    .map(([what, mine, yours]) => `${what}: ${mine} may be sent, ${yours} would be accepted`)
}
