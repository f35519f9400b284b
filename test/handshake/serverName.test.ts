import { describe, expect, it } from "vitest"
import { Alert } from "../../src/handshake/alerts.ts"
import { Extension, writeServerName } from "../../src/handshake/extensions.ts"
import { toServerName } from "../../src/handshake/serverName.ts"
import { bytes, extensionsOf, Type, u16, withExtension } from "./surgery.ts"
import { identity, onMessage, shake } from "./TlsPair.ts"

const long = (length: number): string => "a.".repeat(Math.ceil(length / 2)).slice(0, length)

describe("the name a client sends", () => {
  it("consists of letters, digits and hyphens, in lower case, without a trailing dot", () => {
    for (const [typed, sent] of [
      ["example.org", "example.org"],
      ["Example.ORG", "example.org"],
      ["example.org.", "example.org"],
      ["localhost", "localhost"],
      ["_service.example.org", "_service.example.org"],
      ["a-b.1.example", "a-b.1.example"],
      ["1.2.3.example", "1.2.3.example"],
      ["xn--bcher-kva.example", "xn--bcher-kva.example"],
      ["bücher.example", "xn--bcher-kva.example"],
      ["BÜCHER.Example.", "xn--bcher-kva.example"],
      ["例え。テスト。", "xn--r8jz45g.xn--zckzah"],
      ["faß.de", "xn--fa-hia.de"],
      [long(253), long(253)],
      [`${long(253)}.`, long(253)]
    ])
      expect(toServerName(typed), typed).toBe(sent)
  })

  it("cannot contain anything else", () => {
    for (const typed of [
      ...["", ".", "..", "example..org", ".example.org", "example.org..", "-a.example", "a-.example"],
      ...[
        "exa mple.org",
        " example.org",
        "example.org\n",
        "exam\tple.org",
        "a\0b",
        "*.example.org",
        "a/b",
        "a@b"
      ],
      ...[
        "[::1]",
        "::1",
        "fe80::1%eth0",
        "127.0.0.1",
        "1.2.3.4.",
        "1",
        "0x7f.1",
        "https://example.org",
        "a:80"
      ],
      ...[
        "１２７.0.0.1",
        "bücher.example/",
        "ü@example.org",
        "ü example",
        "ex％41mple.org",
        "ü＠example.org",
        "xn--ü"
      ],
      ...[long(255), `${"a".repeat(64)}.example`, `${"ü".repeat(300)}`]
    ])
      expect(toServerName(typed), JSON.stringify(typed)).toBeUndefined()
  })
})

describe("the name a server receives", () => {
  const receive = (body: Uint8Array) => {
    const asked: Array<string | undefined> = []
    const pair = shake({
      server: {
        selectIdentity: ({ serverName }) => {
          asked.push(serverName)
          return identity()
        }
      },
      meddle: onMessage("client", Type.clientHello, (m) => withExtension(m, Extension.server_name, body))
    })
    return { asked, alert: pair.server.alert }
  }
  const raw = (...name: ReadonlyArray<number>) =>
    bytes(u16(3 + name.length), Uint8Array.of(0), u16(name.length), Uint8Array.from(name))

  it("is in lower case when an identity is selected", () => {
    expect(receive(writeServerName("WWW.Example.ORG")).asked).toEqual(["www.example.org"])
  })

  it("is rejected before an identity is selected if it is not a host name", () => {
    for (const name of [
      ...[
        "127.0.0.1",
        "::1",
        "[::1]",
        "example.org.",
        "exa mple",
        "a/../b",
        "bücher.example",
        "*.example.org"
      ],
      ...["__proto__\n", "\x1b[2J", long(254), "a".repeat(2_000)]
    ])
      expect(receive(writeServerName(name)), name).toEqual({ asked: [], alert: Alert.illegal_parameter })
    expect(receive(raw(0xff, 0xfe))).toEqual({ asked: [], alert: Alert.illegal_parameter })
    expect(receive(raw(0x61, 0, 0x62))).toEqual({ asked: [], alert: Alert.illegal_parameter })
  })

  it("is rejected as malformed if it is empty, or not the only one", () => {
    expect(receive(raw())).toEqual({ asked: [], alert: Alert.decode_error })
    const two = bytes(
      u16(8),
      Uint8Array.of(0),
      u16(1),
      Uint8Array.of(97),
      Uint8Array.of(0),
      u16(1),
      Uint8Array.of(98)
    )
    expect(receive(two)).toEqual({ asked: [], alert: Alert.decode_error })
  })

  it("is absent from a ClientHello to an IP address", () => {
    const { sent } = shake({ client: { serverName: undefined } })
    expect(new Map(extensionsOf(sent[0].bytes)).has(Extension.server_name)).toBe(false)
  })
})
