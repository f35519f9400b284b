/** `UdpPort` on any Effect `DatagramSocket`, for platforms without their own layer here. */
export * as DatagramSocketPort from "./DatagramSocketPort.ts"
/** Makes a port reply from the address a datagram was sent to. */
export * as MultihomedPort from "./MultihomedPort.ts"
