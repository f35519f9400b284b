/** The code in the documentation compiles. */
import { expect, it } from "vitest"
import { codeBlocks, documentedBlocks, typeErrors } from "./examples.ts"

const broken = `
/**
 * A docstring.
 *
 * \`\`\`ts
 * import { QuicEndpoint } from "effect-quic"
 *
 * export const endpoint = QuicEndpoint.make({ port: "4433" })
 * \`\`\`
 */`

it("every code block of README and docstrings type-checks; an error names the file and the line of the block", async () => {
  const blocks = documentedBlocks()
  expect(new Set(blocks.map(({ file }) => file))).toContain("README.md")
  expect(new Set(blocks.map(({ file }) => file))).toContain("src/QuicEndpoint.ts")
  const errors = await typeErrors([...blocks, ...codeBlocks("broken.ts", broken)])
  const expected = /^broken\.ts:8: error TS2322: Type 'string' is not assignable/
  expect(errors.filter((error) => !expected.test(error) && !error.startsWith("  "))).toEqual([])
  expect(errors.filter((error) => expected.test(error))).toHaveLength(1)
})
