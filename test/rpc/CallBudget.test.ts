/** Who pays when calls hold too much. */
import { expect, it } from "vitest"
import { type BudgetedCall, CALL_BYTES, CallBudget } from "../../src/rpc/CallBudget.ts"

class Call implements BudgetedCall {
  readonly owner: object
  holds = 0
  charged = 0
  evicted = false

  constructor(owner: object) {
    this.owner = owner
  }

  readonly evict = (): void => {
    this.evicted = true
  }
}

const openCalls = (budget: CallBudget, owner: object, count: number, holds = 0): ReadonlyArray<Call> =>
  Array.from({ length: count }, () => {
    const call = new Call(owner)
    budget.open(call)
    call.holds = holds
    budget.raise(call)
    return call
  })

it("the connection that holds most loses its largest call, and nobody else any", () => {
  const budget = new CallBudget(100 * CALL_BYTES)
  const [small] = openCalls(budget, {}, 1)
  const greedy = openCalls(budget, {}, 20, 4 * CALL_BYTES)
  expect(greedy.map(({ evicted }) => evicted)).toEqual([true, ...Array.from({ length: 19 }, () => false)])
  expect(small.evicted).toBe(false)
  expect(budget.charged).toBe((1 + 19 * 5) * CALL_BYTES)
})

it("an open call counts though it holds nothing", () => {
  const budget = new CallBudget(10 * CALL_BYTES)
  const calls = openCalls(budget, {}, 25)
  expect(calls.filter(({ evicted }) => !evicted)).toHaveLength(10)
})

it("what has been acknowledged meanwhile is not held against a call", () => {
  const budget = new CallBudget(100 * CALL_BYTES)
  const owner = {}
  const [first] = openCalls(budget, owner, 1, 90 * CALL_BYTES)
  first.holds = 0
  const [second] = openCalls(budget, owner, 1, 90 * CALL_BYTES)
  expect([first.evicted, second.evicted]).toEqual([false, false])
  expect(budget.charged).toBe(92 * CALL_BYTES)
})

it("nothing is left of calls that have ended", () => {
  const budget = new CallBudget(1000 * CALL_BYTES)
  const calls = [...openCalls(budget, {}, 5, 1234), ...openCalls(budget, {}, 5)]
  for (const call of calls) budget.close(call)
  for (const call of calls) budget.raise(call)
  expect(budget.charged).toBe(0)
})
