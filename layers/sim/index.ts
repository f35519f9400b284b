/** A deterministic simulated network, and the runtime that runs programs in it. */
export * as SeededEntropy from "./SeededEntropy.ts"
export { SeededRandom } from "./SeededRandom.ts"
export { SimHost } from "./SimHost.ts"
export { type LinkConditions, perfectLink, SimLink } from "./SimLink.ts"
export { type ConnectOptions, Network, SimConnection, SimNetwork } from "./SimNetwork.ts"
export type { SimNode, SimPacket } from "./SimPacket.ts"
export * as SimRuntime from "./SimRuntime.ts"
