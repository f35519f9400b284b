import { expect, it } from "vitest"
import { retryIntegrityTag } from "../../src/protect/retryIntegrity.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { writeRetry } from "../../src/wire/versionPackets.ts"
import { Duel } from "../connection/Duel.ts"
import { suite } from "../io.ts"

// RFC 9000 §17.2.5.1 #2
it("a client discards a Retry whose source is the connection ID it sent to (RFC 9000 §17.2.5.1)", () => {
  const duel = new Duel({ victim: "client" })
  const sent: Array<Uint8Array> = []
  duel.receive = (datagram) => sent.push(datagram)
  duel.drainVictim()
  const [initial] = sent.splice(0)
  const header = new PacketHeader()
  parsePacketHeader(initial, 0, initial.length, 8, header)
  const destination = initial.slice(header.dcidStart, header.dcidEnd)
  const source = initial.slice(header.scidStart, header.scidEnd)
  const retry = writeRetry(Version.v1, source, destination, Uint8Array.of(1, 2, 3), (n) => new Uint8Array(n))
  duel.inject(Uint8Array.of(...retry, ...retryIntegrityTag(suite, Version.v1, destination, retry)))
  expect(sent).toEqual([])
})
