// The source of lib/ as the compiler reads it: what each file imports at run time, what it exports and who uses it.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '../../..');

export interface Source {
  /** Path from the root of the repository, "lib/…". */
  readonly path: string;
  readonly lines: number;
  readonly tree: ts.SourceFile;
}

/** A name taken from a file: '*' for all of it. */
export interface Use {
  readonly from: string;
  readonly name: string;
}

/** Every TypeScript and JavaScript file below these folders. */
export function sourcesIn(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((name) => /\.(?:ts|js)$/.test(name)).map((name) => {
    const path = join(folder, name);
    const text = readFileSync(join(root, path), 'utf8');
    return { path, lines: text.split('\n').length - 1, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
  }));
}

/** The file of lib/ or test/ that a module of `path` names; null for a package, or anything outside. */
function target(path: string, specifier: ts.Expression | undefined): string | null {
  if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return null;
  // A file that is run by its place in dist/ is one of lib/.
  const { text } = specifier;
  if (!text.startsWith('.')) return null;
  const named = relative(root, resolve(root, dirname(path), text)).replace(/^dist\//, '');
  // Of the pages, which browsers take as they stand.
  return /^lib\/http\/(?:page|phone)\//.test(named) ? named : named.replace(/\.js$/, '.ts');
}

/** Files that must be run before this one: imports and re-exports but those of types alone. */
export function runtimeImports({ path, tree }: Source): string[] {
  return tree.statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement) && statement.importClause?.isTypeOnly !== true) return target(path, statement.moduleSpecifier) ?? [];
    if (ts.isExportDeclaration(statement) && !statement.isTypeOnly) return target(path, statement.moduleSpecifier) ?? [];
    return [];
  });
}

/** Names that a file takes from others. */
export function usesOf({ path, tree }: Source): Use[] {
  const uses: Use[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const from = target(path, node.moduleSpecifier);
      const bindings = node.importClause?.namedBindings;
      if (from !== null && bindings !== undefined && ts.isNamedImports(bindings)) for (const { name, propertyName } of bindings.elements) uses.push({ from, name: (propertyName ?? name).text });
      if (from !== null && bindings !== undefined && ts.isNamespaceImport(bindings)) uses.push(...membersOf(tree, bindings.name.text).map((name) => ({ from, name })));
      if (from !== null && node.importClause?.name !== undefined) uses.push({ from, name: 'default' });
    } else if (ts.isExportDeclaration(node)) {
      const from = target(path, node.moduleSpecifier);
      if (from !== null) {
        if (node.exportClause !== undefined && ts.isNamedExports(node.exportClause)) for (const { name, propertyName } of node.exportClause.elements) uses.push({ from, name: (propertyName ?? name).text });
        else uses.push({ from, name: '*' });
      }
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const from = target(path, node.arguments[0]);
      if (from !== null) uses.push({ from, name: '*' });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const from = target(path, node.argument.literal as ts.Expression);
      if (from !== null) uses.push({ from, name: node.qualifier?.getText() ?? '*' });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return uses;
}

/** What stands behind the dot after a name. */
function membersOf(tree: ts.SourceFile, name: string): string[] {
  const members: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && node.expression.getText() === name) members.push(node.name.text);
    if (ts.isQualifiedName(node) && node.left.getText() === name) members.push(node.right.text);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return members;
}

/** Values that a file gives to others. A type is exported with what it describes, whoever names it. */
export function exportsOf({ tree }: Source): string[] {
  return tree.statements.flatMap((statement) => {
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) return [];
    if (ts.isExportDeclaration(statement)) {
      if (statement.isTypeOnly || statement.exportClause === undefined || !ts.isNamedExports(statement.exportClause)) return [];
      return statement.exportClause.elements.filter(({ isTypeOnly }) => !isTypeOnly).map(({ name }) => name.text);
    }
    if (!ts.canHaveModifiers(statement) || !ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText());
    return 'name' in statement && statement.name !== undefined ? [(statement.name as ts.Node).getText()] : [];
  });
}

/** Places where the checks of the compiler are passed over, as "path:line text". */
export function leapsOf({ path, tree }: Source): { readonly nonNull: string[]; readonly casts: string[] } {
  const nonNull: string[] = [];
  const casts: string[] = [];
  const at = (node: ts.Node): string => `${path}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${node.getText().slice(0, 80)}`;
  const visit = (node: ts.Node): void => {
    if (ts.isNonNullExpression(node) || ((ts.isPropertyDeclaration(node) || ts.isVariableDeclaration(node)) && node.exclamationToken !== undefined)) nonNull.push(at(node));
    if (ts.isAsExpression(node) && (node.type.kind === ts.SyntaxKind.AnyKeyword || (ts.isAsExpression(node.expression) && node.expression.type.kind === ts.SyntaxKind.UnknownKeyword))) casts.push(at(node));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { nonNull, casts };
}

/** Groups of files that need each other, directly or by others (Tarjan's strongly connected components, of more than one file). */
export function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (node: string): number => {
    const index = order.size;
    let lowest = index;
    order.set(node, index);
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, order.get(next) ?? index);
    }
    if (lowest === index) {
      const group = stack.splice(stack.indexOf(node));
      if (group.length > 1 || edges.get(node)?.includes(node) === true) cycles.push(group);
    }
    return lowest;
  };
  for (const node of edges.keys()) if (!order.has(node)) visit(node);
  return cycles;
}
