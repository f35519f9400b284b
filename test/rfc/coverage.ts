/**
 * `node test/rfc/coverage.ts [--missing]`: every MUST and SHALL of the RFCs, and where code and tests cite its section.
 * A citation shows where to look; that the sentence is met is for the test that stands there to show.
 */
import { citationsOf } from "./citations.ts"
import { loadExceptions, loadRequirements, rfcs } from "./requirements.ts"

const SHOWN = 3
const onlyMissing = process.argv.includes("--missing")
const exceptions = loadExceptions()
const code = citationsOf("src", "layers")
const tests = citationsOf("test")

const few = (places: ReadonlyArray<string>): string =>
  places.length === 0
    ? "missing"
    : places.slice(0, SHOWN).join(", ") + (places.length > SHOWN ? ` and ${places.length - SHOWN} more` : "")

const totals = new Map(rfcs.map((rfc) => [rfc as number, { all: 0, code: 0, test: 0, excepted: 0 }]))
let printed = ""
for (const [rfc, section, sentence] of loadRequirements()) {
  const total = totals.get(rfc)!
  total.all++
  const key = `${rfc} §${section}`
  const exception = exceptions.find(
    (each) => each.rfc === rfc && each.section === section && sentence.includes(each.says ?? "")
  )
  const inCode = code.get(key) ?? []
  const inTests = tests.get(key) ?? []
  if (exception !== undefined) total.excepted++
  else {
    if (inCode.length > 0) total.code++
    if (inTests.length > 0) total.test++
  }
  if (onlyMissing && (exception !== undefined || inCode.length > 0)) continue
  if (key !== printed) console.log(`\nRFC ${key}`)
  printed = key
  console.log(`  ${sentence}`)
  if (exception !== undefined) console.log(`    not for us: ${exception.reason}`)
  else console.log(`    code: ${few(inCode)}\n    test: ${few(inTests)}`)
}

console.log("\nRFC    requirements  not for us  section cited in code  in tests")
for (const [rfc, { all, code: inCode, test, excepted }] of totals)
  console.log(
    `${rfc}   ${String(all).padStart(12)}  ${String(excepted).padStart(10)}  ${String(inCode).padStart(21)}  ${String(test).padStart(8)}`
  )
