import t from 'tap'
import { packageIndex } from '../../../src/guest/systems/package-drive.ts'

const INDEX = `Package: apt
Version: 2.6.1
Architecture: amd64
Filename: pool/main/a/apt/apt_2.6.1_amd64.deb
Priority: required

Package: login
Version: 1:4.13+dfsg1-1
Architecture: amd64
Filename: pool/main/s/shadow/login_4.13+dfsg1-1_amd64.deb
Priority: required

Package: vim
Version: 2:9.0
Architecture: amd64
Filename: pool/main/v/vim/vim_9.0_amd64.deb
`

t.test('the index has the packages that were fetched, where they lie', async (t) => {
  const index = packageIndex(INDEX, ['apt_2.6.1_amd64.deb', 'login_1%3a4.13+dfsg1-1_amd64.deb'])
  t.equal(
    index,
    `Package: apt
Version: 2.6.1
Architecture: amd64
Filename: pool/apt_2.6.1_amd64.deb
Priority: required

Package: login
Version: 1:4.13+dfsg1-1
Architecture: amd64
Filename: pool/login_1%3a4.13+dfsg1-1_amd64.deb
Priority: required

`,
  )
})

t.test('a package that the index does not know', async (t) => {
  t.throws(() => packageIndex(INDEX, ['apt_2.6.1_amd64.deb', 'nano_1_amd64.deb']), {
    name: 'KvmioError',
    message: "package drive: expected all of 2 packages in the mirror's index, got 1",
  })
})
