/** `npm run live`: the tests that use sockets of the system, found by what they import. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import shared from "./vitest.config.ts"

const root = new URL("..", import.meta.url).pathname
const usesSockets =
  /\{[^}]*\b(live|layerWithoutTrust|LiveUdpPort|port)\b[^}]*\} from "[^"]*\/(World|io)\.ts"|\/runCli\.ts"/

export default defineConfig({
  test: {
    ...shared.test,
    include: globSync("test/**/*.test.ts", { cwd: root }).filter((path) =>
      usesSockets.test(readFileSync(join(root, path), "utf8"))
    )
  }
})
