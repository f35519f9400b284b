/** `UdpPort` from any Effect `DatagramSocket`: for platforms that have one and no layer of their own here. */
export * as DatagramSocketPort from "./DatagramSocketPort.ts"
/** Makes a port answer from the address it was asked at. */
export * as MultihomedPort from "./MultihomedPort.ts"
