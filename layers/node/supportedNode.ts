/**
 * Stops a program on a Node that is too old with one line. Imported first, so that nothing that such a Node lacks is
 * called before; nor may it be imported by name in this package, as a module that does not link says nothing readable.
 */
const LEAST = [22, 19]

const [major, minor] = process.versions.node.split(".").map(Number)

// Deno and Bun name the Node they are compatible with
if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
  console.error(`effect-quic needs Node ${LEAST.join(".")} or later; this is ${process.versions.node}`)
  process.exit(1)
}
