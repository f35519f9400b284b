/** `effect-quic keygen` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import { Command, Flag } from "effect/cli"
import * as Identity from "../Identity.ts"
import { CliHost } from "./CliHost.ts"
import { fail, misused, reported } from "./report.ts"

export const keygen = Command.make(
  "keygen",
  {
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("Generate a raw Ed25519 key pair instead of a certificate (RFC 7250)"),
      Flag.withDefault(false)
    ),
    hosts: Flag.String("host").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Name or address the certificate is valid for; repeatable"),
      Flag.atLeast(0)
    ),
    output: Flag.Directory("out").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("DIR"),
      Flag.withDescription("Output directory (default: the current one)"),
      Flag.withDefault(".")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Overwrite existing files"),
      Flag.withDefault(false)
    )
  },
  (options) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const host = yield* CliHost
      if (options.raw && options.hosts.length > 0)
        return yield* misused("raw keys contain no host name: use either --raw or --host")
      const identity = options.raw
        ? yield* Identity.generateRawKey
        : yield* host.developmentCertificate(options.hosts.length === 0 ? undefined : options.hosts)
      const [publicName, privateName] = options.raw ? ["peer.pub", "peer.key"] : ["server.crt", "server.key"]
      const publicFile = paths.join(options.output, publicName)
      const privateFile = paths.join(options.output, privateName)
      yield* fs.makeDirectory(options.output, { recursive: true })
      if (options.force) yield* fs.remove(privateFile, { force: true })
      else
        for (const file of [publicFile, privateFile])
          if (yield* fs.exists(file))
            return yield* fail(`${file} already exists; use --force to overwrite it`)
      // created with owner-only permissions, not restricted afterwards
      yield* fs.writeFileString(privateFile, Redacted.value(Identity.privateKeyPem(identity)), {
        flag: "wx",
        mode: 0o600
      })
      yield* fs.writeFileString(publicFile, Identity.publicPem(identity))
      const serve = options.raw
        ? `serve DIR --key ${privateFile}`
        : `serve DIR --cert ${publicFile} --key ${privateFile}`
      yield* Console.log(
        [
          options.raw
            ? `Public key   ${publicFile}`
            : `Certificate  ${publicFile}  (development, 14 days; peers must pin it)`,
          `Private key  ${privateFile}  (readable only by its owner)`,
          `${options.raw ? "PeerId     " : "Fingerprint"}  sha256:${identity.peerId}`,
          `Server       effect-quic ${serve}`,
          `Client       effect-quic get https://HOST:4433/FILE --pin ${publicFile}`
        ].join("\n")
      )
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Generate a development certificate and its private key, or a raw key pair, as PEM files, and print the fingerprint for pinning."
  ),
  Command.withShortDescription("Generate a certificate or a raw key pair"),
  Command.withExamples([
    { command: "effect-quic keygen", description: "server.crt and server.key for this machine" },
    {
      command: "effect-quic keygen --host example.test --host 10.0.0.7 -o keys",
      description: "For other names"
    },
    { command: "effect-quic keygen --raw", description: "peer.pub and peer.key, Ed25519" }
  ])
)
