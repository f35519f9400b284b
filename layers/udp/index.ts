/** Sockets on any Effect `DatagramSocket`, and what every `UdpPort` is made from. */
export * as DatagramSocketPort from "./DatagramSocketPort.ts"
export { ReceiveQueue } from "./ReceiveQueue.ts"
export { RemoteAddresses } from "./RemoteAddresses.ts"
export { UdpStatistics } from "./UdpStatistics.ts"
