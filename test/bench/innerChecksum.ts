/**
 * The checksum of a TCP or UDP packet within a VXLAN packet. Its sender's kernel leaves it to the network card, and
 * there is none on the way.
 */
const VXLAN_BYTES = 8
const ETHERNET_BYTES = 14
const IP = VXLAN_BYTES + ETHERNET_BYTES
const IPV4 = 0x0800

/** Where the checksum is, by protocol number. */
const offsets: Readonly<Record<number, number>> = { 6: 16, 17: 6 }

/** Computes it in place; anything but IPv4 with TCP or UDP stays as it is. RFC 1071, RFC 9293 §3.1 */
export const completeChecksum = (packet: Buffer): void => {
  if (packet.length < IP + 20 || packet.readUInt16BE(IP - 2) !== IPV4) return
  const protocol = packet[IP + 9]
  const offset = offsets[protocol]
  if (offset === undefined) return
  const start = IP + 4 * (packet[IP] & 0x0f)
  const end = IP + packet.readUInt16BE(IP + 2)
  if (end > packet.length || start + offset + 2 > end) return
  packet.writeUInt16BE(0, start + offset)
  // the pseudo header: both addresses, protocol and length
  let sum = protocol + (end - start)
  for (let i = IP + 12; i < IP + 20; i += 2) sum += (packet[i] << 8) | packet[i + 1]
  for (let i = start; i + 1 < end; i += 2) sum += (packet[i] << 8) | packet[i + 1]
  if ((end - start) % 2 === 1) sum += packet[end - 1] << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  packet.writeUInt16BE(~sum & 0xffff || 0xffff, start + offset)
}
