import t from 'tap'
import { OnceAsked } from '../../src/collector/once-asked.ts'

t.test('each is asked once, while it is there', async (t) => {
  const asked: string[] = []
  const read = async (name: string) => {
    asked.push(name)
    return name.toUpperCase()
  }
  const answers = new OnceAsked<string>()
  await answers.ask(['a', 'b', 'a'], read)
  await answers.ask(['a', 'b'], read)
  t.strictSame([answers.of('a'), answers.of('b'), answers.of('c')], ['A', 'B', undefined])
  t.strictSame(asked, ['a', 'b'])
  await answers.ask(['b'], read)
  t.equal(answers.of('a'), undefined)
  await answers.ask(['a', 'b'], read)
  t.strictSame(asked, ['a', 'b', 'a'])
})

t.test('one that does not answer, or fails, keeps nobody waiting', async (t) => {
  const late = Promise.withResolvers<string>()
  const read = (name: string) => {
    if (name === 'fails') return Promise.reject(new Error('no'))
    return name === 'late' ? late.promise : Promise.resolve('here')
  }
  const answers = new OnceAsked<string>()
  await answers.ask(['late', 'fails', 'quick'], read)
  const seen = () => ['late', 'fails', 'quick'].map((name) => answers.of(name))
  t.strictSame(seen(), [undefined, undefined, 'here'])
  late.resolve('at last')
  await answers.ask(['late', 'fails', 'quick'], read)
  t.strictSame(seen(), ['at last', undefined, 'here'])
})

t.test('an answer that comes when nobody wants it is not kept', async (t) => {
  const late = Promise.withResolvers<string>()
  const answers = new OnceAsked<string>()
  await answers.ask(['late'], () => late.promise)
  await answers.ask([], () => late.promise)
  late.resolve('too late')
  await late.promise
  t.equal(answers.of('late'), undefined)
})
