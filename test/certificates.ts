// Certificates as an administrator makes them, with openssl.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

export interface Pair {
  certFile: string
  keyFile: string
  cert: string
  key: string
}

/** An authority of a test's own, in a folder of its own. */
export async function makeAuthority(folder: string, name = 'authority'): Promise<Pair> {
  const more = ['-addext', 'basicConstraints=critical,CA:TRUE']
  return await make(folder, name, ['-subj', `/CN=${name}`, ...more])
}

/** A certificate that the authority has signed, for these alternative names. */
export async function makeCertificate(
  folder: string,
  name: string,
  authority: Pair,
  names: readonly string[] = ['DNS:localhost', 'IP:127.0.0.1'],
): Promise<Pair> {
  const config = join(folder, `${name}.cnf`)
  // One a line, since a name on the command line cannot have a comma.
  const lines = names.map((text, index) => text.replace(':', `.${index} = `))
  const request = ['[req]', 'distinguished_name = none', 'x509_extensions = extensions', '[none]']
  const extensions = ['[extensions]', 'subjectAltName = @names', 'basicConstraints = CA:FALSE']
  const sections = [...request, ...extensions, '[names]', ...lines]
  await writeFile(config, `${sections.join('\n')}\n`)
  const by = ['-CA', authority.certFile, '-CAkey', authority.keyFile, '-config', config]
  return await make(folder, name, ['-subj', `/CN=${name}`, ...by])
}

async function make(folder: string, name: string, more: readonly string[]): Promise<Pair> {
  const certFile = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}.key`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  await exec('openssl', ['req', '-x509', '-days', '30', ...key, '-out', certFile, ...more])
  const [cert, text] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return { certFile, keyFile, cert, key: text }
}
