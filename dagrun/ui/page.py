"""A view as one HTML page: the drawing with search, pan, zoom and a closer look at a stage.

The page holds everything it needs and asks for nothing from elsewhere; without scripts it still
shows the drawing with its tooltips.
"""

from __future__ import annotations

import json
from html import escape

from dagrun.ui.svg import to_svg
from dagrun.ui.view import ACTIONS, View

_STYLE = """
*{box-sizing:border-box}html,body{margin:0;height:100%}
body{display:flex;flex-direction:column;font:14px system-ui,-apple-system,"Segoe UI",Roboto,
Helvetica,Arial,sans-serif;color:#111827;background:#fff}
header{display:flex;gap:12px;align-items:center;padding:8px 16px;border-bottom:1px solid #d1d5db}
header strong{font-size:16px}header span{color:#4b5563}
input{margin-left:auto;width:16em;font:inherit;padding:5px 9px;border:1px solid #9ca3af;
border-radius:6px;background:inherit;color:inherit}
button{font:inherit;padding:5px 11px;border:1px solid #9ca3af;border-radius:6px;
background:inherit;color:inherit;cursor:pointer}
main{flex:1;position:relative;overflow:hidden;touch-action:none;cursor:grab}
main svg{width:100%;height:100%;display:block}
main .node{cursor:pointer}
main.some .node,main.some #edges>g{opacity:.18}
main.some .node.found{opacity:.6}main.some .node.on,main.some #edges>g.on{opacity:1}
main .on .edge{stroke:#1d4ed8;stroke-width:2}main .on .tip{fill:#1d4ed8}
main .node.found .box,main .node:focus .box{stroke:#be123c;stroke-width:3;stroke-dasharray:none}
main .node:focus{outline:none}
aside{position:absolute;right:12px;top:12px;max-width:26em;padding:10px 14px;border-radius:8px;
border:1px solid #9ca3af;background:#fff;box-shadow:0 4px 14px #0003;white-space:pre-wrap}
aside[hidden]{display:none}aside b{font:600 14px ui-monospace,Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){body{background:#0f141b;color:#f3f4f6}
header{border-color:#374151}header span{color:#b6bec9}aside{background:#1f2733}
main .on .edge{stroke:#7aa7ff}main .on .tip{fill:#7aa7ff}
main .node.found .box,main .node:focus .box{stroke:#fb7185}}
"""

_SCRIPT = """
const data=JSON.parse(document.getElementById('data').textContent),
main=document.querySelector('main'),svg=main.querySelector('svg'),
aside=document.querySelector('aside'),search=document.querySelector('input'),
whole=svg.viewBox.baseVal,size=[whole.width,whole.height],
nodes=[...svg.querySelectorAll('.node')],lines=[...svg.querySelectorAll('#edges>g')],
node=Object.fromEntries(nodes.map(n=>[n.dataset.n,n]));
let box=[0,0,...size];
function show(){svg.setAttribute('viewBox',box.join(' '))}
function fit(){const h=main.clientHeight,w=main.clientWidth;
  box=size[1]/h>2.5*size[0]/w?[0,0,size[0],size[0]*h/w]:
      size[0]/w>2.5*size[1]/h?[0,0,size[1]*w/h,size[1]]:[0,0,...size];show()}
function at(x,y){const p=new DOMPoint(x,y).matrixTransform(svg.getScreenCTM().inverse());
  return[p.x,p.y]}
function zoom(by,x,y){box=[x-(x-box[0])*by,y-(y-box[1])*by,box[2]*by,box[3]*by];show()}
main.addEventListener('wheel',e=>{e.preventDefault();
  zoom(Math.exp(Math.max(-60,Math.min(60,e.deltaY))*.004),...at(e.clientX,e.clientY))},
  {passive:false});
let held=null,moved=false;
main.addEventListener('pointerdown',e=>{held=[e.clientX,e.clientY];moved=false});
window.addEventListener('pointermove',e=>{if(!held)return;
  const a=at(...held),b=at(e.clientX,e.clientY);
  if(Math.hypot(e.clientX-held[0],e.clientY-held[1])>3||moved){moved=true;
    box[0]+=a[0]-b[0];box[1]+=a[1]-b[1];held=[e.clientX,e.clientY];show()}});
window.addEventListener('pointerup',()=>{held=null});
function reach(start,next){const seen=new Set([start]);
  for(const n of seen)for(const m of next[n]||[])seen.add(m);return seen}
function pick(n){main.classList.toggle('some',n!==null);aside.hidden=n===null;
  if(n===null){for(const e of[...nodes,...lines])e.classList.remove('on');return}
  const up=reach(n,data.above),down=reach(n,data.below);
  for(const e of nodes)e.classList.toggle('on',up.has(+e.dataset.n)||down.has(+e.dataset.n));
  for(const e of lines){const from=+e.dataset.from,to=e.dataset.to.split(' ').map(Number);
    e.classList.toggle('on',to.some(t=>up.has(from)&&up.has(t)||down.has(from)&&down.has(t)))}
  const text=node[n].querySelector('title').textContent.split('\\n');
  aside.replaceChildren(Object.assign(document.createElement('b'),{textContent:text[0]}),
    '\\n'+text.slice(1).join('\\n')+`\\n${up.size-1} above, ${down.size-1} below`)}
for(const e of nodes){e.tabIndex=0;e.setAttribute('role','button');
  e.setAttribute('aria-label',e.querySelector('title').textContent);
  e.addEventListener('keydown',k=>{if(k.key==='Enter')pick(+e.dataset.n)})}
main.addEventListener('click',e=>{if(moved)return;const found=e.target.closest('.node');
  pick(found?+found.dataset.n:null)});
let turn=0;
function find(go){const want=search.value.toLowerCase(),found=want?nodes.filter(
  n=>data.names[n.dataset.n].toLowerCase().includes(want)):[];
  for(const n of nodes)n.classList.toggle('found',found.includes(n));
  document.getElementById('count').textContent=want?`${found.length} found`:'';
  if(!found.length)return;turn=go?(turn+1)%found.length:0;
  const r=found[turn].transform.baseVal.consolidate().matrix,
  w=Math.min(900,size[0]),h=w*main.clientHeight/main.clientWidth;
  box=[r.e-w/2,r.f-h/2,w,h];show()}
search.addEventListener('input',()=>find(false));
search.addEventListener('keydown',e=>{if(e.key==='Enter')find(true);
  if(e.key==='Escape'){search.value='';find(false);pick(null)}});
document.querySelector('button').addEventListener('click',()=>{pick(null);
  box=[0,0,...size];show()});
window.addEventListener('resize',fit);fit();
"""


def to_html(view: View) -> str:
    """Return the HTML page of a view."""
    names = list(view.nodes)
    number = {name: at for at, name in enumerate(names)}
    above = [[number[before] for before in view.upstream[name]] for name in names]
    below: list[list[int]] = [[] for _ in names]
    for at, befores in enumerate(above):
        for before in befores:
            below[before].append(at)
    data = json.dumps({"names": names, "above": above, "below": below}, separators=(",", ":"))
    # A name is an identifier, so nothing in the data can end the script element.
    parts = " &middot; ".join(f"{count} {ACTIONS[action]}" for action, count in view.counts.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(view.title)}: {escape(view.summary)}</title><style>{_STYLE.strip()}</style></head>
<body><header><strong>{escape(view.title)}</strong><span>{escape(view.summary.partition(":")[0])}</span>
<span>{parts}</span><input type="search" placeholder="find a stage (Enter: next)"
aria-label="find a stage"><span id="count" aria-live="polite"></span>
<button type="button">whole picture</button></header>
<main>
{to_svg(view)}<aside hidden aria-live="polite"></aside></main>
<script type="application/json" id="data">{data}</script>
<script>{_SCRIPT.strip()}</script></body></html>
"""
