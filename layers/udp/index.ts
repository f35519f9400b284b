/** `UdpPort` from any Effect `DatagramSocket`: for platforms that have one and no layer of their own here. */
export * as DatagramSocketPort from "./DatagramSocketPort.ts"
