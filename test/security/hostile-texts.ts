/**
 * Texts that have broken other people's programs: for SQL, Lua, shells, terminals, logs, pages and event streams.
 *
 * Each stands for a family. None is an id, and all of them may be a name that somebody honestly chose.
 */
export const HOSTILE_TEXTS: readonly string[] = [
  "'; DROP TABLE orders; --",
  "' OR '1'='1",
  "1); DELETE FROM stock WHERE (1=1",
  "\\'; SELECT pg_sleep(10); --",
  "$$; SELECT 1; $$",
  "$1",
  "%' AND 1=cast((SELECT version()) AS int) --",
  "') UNION SELECT null,null,null--",
  "{sale:x}:stock",
  "}{",
  "a|b|c",
  "return redis.call('FLUSHALL')",
  "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
  "$(touch /tmp/doorbuster-was-here)",
  "`id`",
  "../../../../etc/passwd",
  '\r\n{"level":"error","msg":"forged"}',
  "\r\nSet-Cookie: admin=1",
  '\n\ndata: {"paid":true}\n\n',
  "\nevent: reservation\nid: 1\ndata: x",
  "<script>document.title='broken in'</script>",
  '"><img src=x onerror=document.title="broken-in">',
  "javascript:document.title='broken in'",
  "{{constructor.constructor('return 1')()}}",
  '=HYPERLINK("http://evil.example","x")',
  "\u001b[2J\u001b[31mred",
  "\u202eevil",
  "\u2028\u2029",
  "ﬀ\u0301ü票🎟️",
  "a\u0000b",
];
