/** Packets made of the same frames over and over. */
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { writeCryptoHeader, writeNewConnectionId, writeStreamHeader } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { PacketOptions, Puppet } from "../connection/Puppet.ts"

export const PACKETS = 1000

/** A thousand packets of `frames` frames; `write` is told how many frames came before. */
export const flood =
  (
    frames: number,
    write: (w: ByteWriter, n: number) => void,
    options: (packet: number) => PacketOptions = () => ({})
  ) =>
  (attacker: Puppet): ReadonlyArray<Uint8Array> =>
    Array.from({ length: PACKETS }, (_, packet) =>
      attacker.packet(
        Level.OneRtt,
        (w) => {
          for (let i = 0; i < frames; i++) write(w, packet * frames + i)
        },
        options(packet)
      )
    )

export const connectionId = (n: number): Uint8Array => {
  const id = new Uint8Array(8)
  new DataView(id.buffer).setUint32(0, n + 1)
  return id
}
export const newConnectionId = (w: ByteWriter, sequence: number, retirePriorTo: number): void =>
  writeNewConnectionId(w, sequence, retirePriorTo, connectionId(sequence), new Uint8Array(16).fill(sequence))

export const stream = (w: ByteWriter, id: number, offset: number, length: number): void => {
  writeStreamHeader(w, id, offset, length, false)
  w.fill(0x61, length)
}

export const crypto = (w: ByteWriter, offset: number, length: number): void => {
  writeCryptoHeader(w, offset, length)
  w.fill(0, length)
}

export const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)
