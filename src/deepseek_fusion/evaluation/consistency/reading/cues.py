"""Words that steer how a sentence is read, in English and Chinese. None belongs to a domain.

Keys of the table are what a word does; `claims.py` says how each is used. Everything is in lower case, with a space
where a text may have a hyphen.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal[
    "and", "apart", "copula", "denial", "glue", "light", "no", "not", "open", "or", "person", "pronoun", "turn", "yes"
]

_WORDS: dict[Kind, str] = {
    # Joins items of a list, or clauses.
    "and": (
        "and|plus|as well as|in combination with|coupled with|not to mention|along with|together with|followed by|"
        "then|&|/|+|,|、|(|)|:|[|]|—|;|"
        "和|与|及|以及|还有|加上|并|并且|其次|其次是|同时|外加|再加上|连同|"
        "又有|并有"
    ),
    "or": ("or|and/or|nor|或|或者|抑或|或是|要么|还是"),
    # Begins a clause of its own, whatever was denied before.
    "turn": (
        "but|but rather|whereas|while|yet|however|although|though|on the other hand|on the contrary|conversely|"
        "by contrast|even though|albeit|instead|nevertheless|nonetheless|"
        "但|但是|却|然而|不过|而|而是|反而|反倒|可是|只是|相反|反之|只不过|另一方面"
    ),
    # Denies what follows in its clause, or, if nothing does, what stands before.
    "not": (
        "negative for|d/c|outside|out of scope|alien to|foreign to|resists|resistant to|wasted on|withdrawn|"
        "off the table|off limits|skip|ditch|all but|everything but|zero|beware of|stay clear of|"
        "stops short of|stop short of|last thing|disregard|abandoned|≠|划掉|跳过|停掉|超出|超出了|纯属浪费|浪费|"
        "白搭|沾不上边|不沾边|格格不入|"
        "形同虚设|当心|为零|无一人|无一例|另有原因|耐受|不见好|可能性变小|误录为|误记为|≠|全部失败|"
        "not|n't|no|never|without|neither|nor|none|nothing|nobody|cannot|can't|lack|lacks|lacking|absent|absence|"
        "missing|left out|free of|rather than|instead of|excluding|excludes|exclude|except|except for|other than|"
        "hardly ever|rarely if ever|spare|spares|spared|stay away from|keep away from|steer clear of|advise against|"
        "advises against|advised against|warn against|warns against|speaks against|argues against|decide against|"
        "rule out|rules out|excluded|preclude|precludes|discouraged|discourage|forbidden|prohibited|banned|"
        "unsuitable|inappropriate|ineffective|useless|pointless|futile|out of the question|far from|anything but|"
        "fail to|fails to|failed to|refrain from|omit|omits|omitted|devoid of|in place of|in lieu of|free from|"
        "no one|no longer|hardly any|hardly anyone|hardly anybody|scarcely any|scarcely ever|barely ever|"
        "almost never|unlikely|unusual|atypical|uncharacteristic|❌|✗|✘|refuse|refuses|reject|rejects|rejected|"
        "contraindicated|avoid|avoids|avoided|"
        "denies|deny|ruled out|unrelated|doesn't|don't|isn't|aren't|wasn't|won't|"
        "而没有|而无|不|不是|不会|不能|不可|不用|不应|不应该|不宜|不需|不需要|不包括|不含|不属于|不归|不伴|不伴有|"
        "不出现|不存在|不推荐|不使用|不引起|没有|没|无|毫无|未|未见|从不|从未|从来不|从来没有|绝不|决不|绝非|并不|"
        "并不是|并非|并没有|并无|并未|而不是|而非|而不|而不用|非|非常规|看不到|见不到|欠缺|无关|缺乏|缺少|排除|避免|"
        "别|勿|切勿|禁用|禁忌|不再|既没有|也没有|既不|也不|也不是|不要|不该|忌|罕见|无效|没用|无用|无益|不管用|"
        "不起作用|谈不上|算不上|除外|免于|免受|否认|不曾|从没|从没有|尚无|尚未|无需|无须|不必|没必要|用不着|远离|"
        "切莫|切忌|忌用|停用|弃用|拒绝|反对|毫不|不算|不至于|不在其列|不在其中|不在此列"
    ),
    # Denies the statement that it is said of, also in the clause before.
    "denial": (
        "i take that back|i take it back|by mistake|in error|an error|misinformed|not right|take that back|"
        "take it back|took it back|"
        "scratch that|forget it|myth|myths|discredited|收回|请忽略|被抛弃|抛弃|胡说八道|骗你的|骗人的|不是那么回事|"
        "没有这回事|没这回事|冤枉|冤枉了它|想都别想|"
        "wrong|wrongly|false|falsely|incorrect|incorrectly|mistakenly|untrue|not true|not correct|not the case|"
        "not so|a myth|mistaken|a mistake|no basis|misconception|fallacy|nonsense|unfounded|baseless|disproved|refuted|"
        "debunked|no truth|"
        "不属实|并不属实|并非属实|不是真的|不真实|子虚乌有|并非事实|不是事实|无中生有|错误|错误的|不对|不正确|不实|"
        "不准确|并非如此|不是这样|并不是这样|误解|谣言|不成立|错的|谬误|误区|谣传|毫无根据|没有根据|无稽之谈|"
        "站不住脚|误以为|误认为|不可信|不靠谱|错|说错|弄错|搞错|记错|错了"
    ),
    # Leaves open whether it is so.
    "open": (
        "who knows|still out|not confirmed|unconfirmed|conflict|conflicting|contradict each other|"
        "opinions differ|debate|being investigated|hard to tell|can't recall|cannot recall|can't remember|"
        "cannot remember|neither confirm nor deny|don't quote me|no clue|no idea|too early to|under way|众说纷纭|"
        "互相矛盾|相互矛盾|还太早|为时过早|打包票|未获证实|尚在研究中|猜测|记不清|记不清了|说不上来|正在进行|正在研究|"
        "may or may not|might or might not|could or could not|whether|not sure|not certain|unsure|uncertain|unclear|"
        "insufficient|divided on|disagree|disagrees|unknown|not known|do not know|don't know|does not know|"
        "not aware|remains to be seen|"
        "find out|could not find|"
        "cannot say|can't say|hard to say|no information|do not say|does not say|not clear|under investigation|"
        "being studied|debated|not yet known|open question|matter of debate|doubtful|questionable|controversial|"
        "disputed|unproven|nobody knows|no one knows|undetermined|inconclusive|unresolved|remains open|"
        "yet to be shown|wonder|wonders|"
        "并不清楚|并不知道|并不确定|并不明确|并不明|还不清楚|还不知道|还不确定|还不明确|还不明|也不清楚|也不知道|"
        "也不确定|也不明确|也不明|仍不清楚|仍不知道|仍不确定|仍不明确|仍不明|是否|能否|会否|不确定|不清楚|尚不清楚|"
        "不知道|不了解|未知|不明确|尚不明确|尚无定论|有待|没有说明|无法确定|无法回答|难说|没有相关|不能确定|难以确定|"
        "争论|不同意|没有定论|尚未证实|未经证实|有争议|存在争议|存疑|说不准|说不清|不好说|不得而知|待证实|待确认|"
        "可否|与否|"
        "jury is still out"
    ),
    # Sets a subject apart from the one that is spoken of.
    "apart": (
        "see also|unlike|in contrast to|in contrast with|as opposed to|different from|differs from|compared with|"
        "compared to|not to be confused with|mistake|mistakes|mistaken for|confuse|confuses|confused|mix up|mixed up|"
        "误认|误诊|混淆|混为一谈|区分|鉴别|另见|参见|详见|不同|不同于|相比|相比之下|有别于|不像|区别于|区别|"
        "与之相反|相对于|"
    ),
    "copula": (
        "is|are|was|were|be|being|been|include|includes|including|included|comprise|comprises|namely|as|such as|like|"
        "无非就是|无非|不外乎是|是|为|系|即|包括|包含|有|含|如|例如|比如|叫|叫做|应为|应是|则为|则是|分别是|正是|"
        "就是|才是|乃是|不外乎|无非是|主要有|主要是|是指"
    ),
    "pronoun": (
        "former|latter|it|its|they|their|them|this|these|that|those|he|she|his|her|"
        "前者|后者|她|他|他们|她们|它|它的|其|该病|此病|本病|该|此|这|这些"
    ),
    "person": (
        "i|me|my|you|your|we|our|us|ai|language model|great question|good question|excellent question|happy to help|"
        "glad to help|feel free|hmm|oh|okay|ok|double check|hesitate|let|please|hope|thanks|thank|sorry|hello|hi|dear|"
        "嗯|呃|如有|欢迎|随时|核对|人工智能|语言模型|好问题|很高兴|解答|我|您|你|我们|希望|请|谢谢|抱歉|建议您|"
        "你好|您好|大家好|咱们|"
        "feel free|stay safe|take care|good luck|口误|祝|祝您|保重"
    ),
    "yes": ("yes|correct|right|indeed|exactly|true|✅|✓|✔|☑|是的|没错|对的|正确|确实|对"),
    "no": ("no|否|不对"),
    # Grammar: does not make a list into a sentence.
    "glue": (
        "nothing says|not far behind|nobody doubts|no one doubts|no denying|no question|goes without saying|"
        "no surprise|nothing beats|better than nothing|not the only|isn't the only|isn't uncommon|isn't unusual|"
        "isn't rare|otherwise|不稀奇|并不稀奇|不为过|都不为过|没记错|不会错|说来奇怪|一句话|也不远了|万一|假定|"
        "假设|一经|每逢|这个简单|哈哈|说起|"
        "chronic|acute|progressive|rare|serious|dangerous|after|before|around|through|off|over|upon|onto|toward|"
        "towards|behind|near|in spite of|despite|regardless of|needless to say|simply put|put simply|"
        "to put it simply|in short|in other words|in a word|in brief|strictly speaking|generally speaking|"
        "broadly speaking|what is more|rarely without|seldom without|more or less|together|according to|based on|"
        "along|in the end|in the beginning|at the beginning|at first|at last|at the end|later on|early on|over time|"
        "on occasion|in some cases|in many cases|in most cases|in general|in particular|of course|for example|"
        "for instance|above all|on top of that|to begin with|after that|before long|in the course of|in the long run|"
        "in turn|as a rule|in practice|more often than not|but not limited to|not limited to|not all|not every|"
        "not everyone|not everybody|not exclusively|not solely|not simply|if not|last but not least|no matter|once|"
        "whenever|as soon as|since|unless|until|during|out|up|down|a|an|the|of|in|on|at|by|for|to|from|with|within|"
        "under|into|against|per|via|about|among|amongst|between|both|either|also|too|so|often|sometimes|occasionally|"
        "usually|usual|commonly|common|mostly|mainly|primarily|typically|typical|generally|frequently|frequent|"
        "rarely|less|more|most|least|many|some|several|few|all|any|each|every|one|other|others|another|certain|"
        "various|again|then|next|first|second|third|finally|lastly|last|perhaps|maybe|possibly|probably|likely|"
        "two|three|four|five|six|seven|eight|nine|ten|"
        "potentially|apparently|presumably|sure|well|very|quite|rather|even|still|just|only|not only|not just|"
        "not merely|not uncommon|not unusual|not infrequently|not rare|no doubt|without doubt|undoubtedly|not always|"
        "not necessarily|no other|none other than|nothing but|no less than|especially|particularly|notably|"
        "additionally|moreover|furthermore|besides|apart from|in addition|in addition to|aside from|overall|here|"
        "there|etc|e.g|i.e|'s|ever|anything|else|anyone|when|if|where|which|who|whom|whose|what|how|do|does|did|can|"
        "could|may|might|must|shall|should|will|would|has|have|had|having|case|cases|mild|moderate|severe|slight|"
        "strong|occasional|possible|main|major|key|primary|classic|characteristic|known|following|answer|list|listed|"
        "entry|correct|actual|than|because|as follows|follows|"
        "也不少|也不少见|也不罕见|都不少|也不例外|慢性|急性|进行性|罕见的|究竟|到底|至今|目前|不一样|一样|简单地说|"
        "简单来说|总的来说|总之|换句话说|不用说|毋庸置疑|一般来说|具体来说|事实上|实际上|其实|当然|显然|可以说|"
        "严格来说|也就是说|千万|务必|什么|哪些|哪个|哪种|哪里|怎么|怎样|如何|为何|为什么|多少|正如|很难避免|难以避免|"
        "不可避免|在所难免|一起|尽快|及时|尽早|当中|之前|之后|以前|以后|期间|过程中|根据|按照|依据|凡是|凡|都会|均|"
        "先|先是|再是|接着|接着是|然后|最终|之中|若干|特别|尤其|尤其是|必定|一定|肯定|确切|所谓|该类|同样|同时也|"
        "至少|为主|本身|某种|正|便|不得不|不能不|不可不|无不|莫不|难免|不免|不乏|不时|无论|不论|不管|但不限于|不限于|"
        "不错|一方面|动不动|时不时|离不开|少不了|免不了|既往|曾|曾经|以往|因为|虽然|尽管|即使|即便|所有|全部|每个|"
        "任何|并不是所有|并非所有|不是所有|不是每个|并非每个|并不是每个|不是人人|"
        "不都|并不都|容易|极易|据|据说|据悉|听说|众所周知|早期|后期|晚期|初期|中期|起初|后来|夜间|白天|晚上|早上|"
        "平时|逐渐|渐渐|突然|偶|偶见|偶有|几乎|总是|不少|部分|有些|有的|另一些|其他|其它|其余|相当|尤为|格外|比较|通|"
        "即可|而且|的|了|着|地|得|在|于|中|里|内|上|下|对|对于|关于|由|被|把|将|给|用|以|从|到|向|跟|就|才|都|也|还|"
        "又|再|更|最|很|十分|非常|较|多|常|常常|经常|时常|有时|偶尔|通常|一般|一般是|往往|主要|大多|多数|多为|常见|"
        "常见的|最常见|最常见的|典型|典型的|主要的|可|可以|可能|可能是|也许|或许|大概|应|应该|应当|需|需要|必须|能|"
        "能够|会|将会|要|来|去|来说|而言|之一|之外|以外|外|除了|除|不仅|不只|不但|不光|不少见|并不少见|不罕见|无疑|"
        "毫无疑问|不一定|未必|不总是|一是|二是|三是|四是|五是|首先|最后|另外|此外|时|时候|当|如果|若|这种|一种|种|个|"
        "项|等|等等|所|其中|那|吗|呢|啊|吧|轻度|中度|重度|轻微|严重|明显|剧烈|往往是|一些|某些|以下|如下|比起|"
        "hard|difficult|easy|impossible|simple|good|better|best|worse|worst|new|old|large|small|long|short|"
        "high|low|early|late|important|different|similar|same|alone|饭后|饭前|餐后|睡前|晨起|很难|难以"
    ),
    # Verbs and nouns that say no more than that there is a relation.
    "light": (
        "business|concern|affair|job|task|explanation|reason|candidate|possibility|culprit|example|instance|origin|"
        "factor|aspect|topic|basis|foundation|cornerstone|mainstay|standard|alternative|component|element|"
        "consequence|outcome|complication|finding|observation|experience|link|links|connection|relationship|"
        "association|correlation|difference|similarity|symptom of|sign|signs|feature|features|featured|characterised|"
        "characterized|marked|associated|linked|related|cause|causes|caused|causing|lead|leads|leading|led|result|"
        "results|bring|brings|produce|produces|present|presents|presenting|presented|presentation|experiences|"
        "experienced|report|reports|reported|show|shows|shown|exhibit|exhibits|develop|develops|suffer|suffers|"
        "suffering|complain|complains|complaint|complaints|notice|notices|occur|occurs|occurring|appear|appears|seen|"
        "see|found|find|observed|expect|expected|involve|involves|treat|treats|treated|treating|treatment|treatments|"
        "therapy|therapies|manage|manages|managed|management|prescribe|prescribes|prescribed|give|gives|given|take|"
        "takes|taken|taking|use|uses|used|using|recommended|help|helps|need|needs|require|requires|refer|refers|"
        "referred|handle|handles|handled|belong|belongs|belonging|fall|falls|go|goes|deal|deals|dealt|assign|"
        "assigned|classified|labelled|recorded|called|patient|patients|people|person|someone|sufferer|sufferers|"
        "individual|individuals|doctor|doctors|physician|physicians|clinician|clinicians|specialist|specialists|"
        "expert|experts|condition|conditions|illness|drug|drugs|field|department|care|clinical|picture|manifestation|"
        "manifestations|diagnosed|diagnosis|problem|problems|issue|issues|effect|effects|agent|agents|remedy|"
        "remedies|medicine|medicines|cure|cures|category|chapter|heading|number|catalogue|system|classification|"
        "discipline|branch|unit|clinic|clinics|hospital|hospitals|colleagues|responsibility|charge|responsible|"
        "textbook|textbooks|guideline|guidelines|literature|study|studies|research|source|sources|hallmark|indicator|"
        "clue|pattern|course|stage|stages|onset|fact|view|opinion|idea|notion|claim|statement|rule|exception|"
        "contrast|comparison|thing|things|way|ways|kind|sort|type|form|part|combination|range|variety|majority|"
        "minority|rest|somebody|anybody|everybody|everyone|mother|father|sister|brother|friend|wife|husband|uncle|"
        "aunt|neighbour|neighbor|felt|put|told|kept|sent|chosen|due|effective|useful|helpful|right|proper|popular|"
        "belief|question|questions|living|think|believe|say|says|said|suspect|suspected|considered|regarded|mention|"
        "name|named|include the|indicate|indicates|suggest|suggests|point|points|start|starts|started|rely|relies|"
        "based|choice|option|options|role|matter|evidence|anything to do|make|makes|get|gets|come|comes|visit|ask|"
        "contain|contains|got|gotten|improvement|change|changes|increase|decrease|reduction|success|failure|recovery|"
        "relief|response|risk|chance|rate|degree|severity|progress|"
        "入院|住院|出院|研究|查出|检出|诉说|诉|闻名|著称|知名|为特点|为特征|就医|咨询|特有|造成的|引起的|导致的|"
        "帮助|提|提到|提起|谈|谈到|说到|"
        "谈谈|自己|别人|有人|大家|很多人|许多人|关系|联系|作用|效果|疗效|妈妈|爸爸|父亲|母亲|爷爷|奶奶|朋友|孩子|"
        "表现形式|说法|观点|看法|事实|身上|身体|者|代码|代号|分类|系统|目录|条目|门诊|医院|专科|大夫|护士|接收|接待|"
        "看病|求诊|问诊|转到|转往|转至|送到|送至|交给|交由|安排|药|药品|药剂|疗法|方案|手段|办法|方法|措施|一线|二线|"
        "基础|备选|替代|辅助|处方|开具|开出|起效|奏效|管用|有用|有益|应对|对付|改善|消除|带来|招致|诱发|触发|致使|"
        "呈现|展现|显示|显现|体现|反映|提示|预示|意味着|标志|标志着|信号|迹象|说明|表明|证明|证实|发现|察觉|看到|"
        "见到|遇到|经历|遭受|饱受|受到|困扰|折磨|苦于|抱怨|自述|描述|称为|称作|称|俗称|又称|突出|显著|居多|多发|高发|"
        "好发|少见|多见于|并发|合并|兼有|密切|适用于|适用|适合|主治|主管|承担|归于|划入|纳入|隶属|编码为|标为|登记|"
        "登记为|查|查询|检索|想到|联想到|发作|发病|起病|患者|病人|人|患有|患|患上|得了|得|出现|引起|导致|造成|引发|"
        "表现|表现为|表现出|症状|特征|特征为|特点|体征|感到|感觉|觉得|伴有|伴随|发生|产生|存在|见于|多见|常见于|治疗|"
        "使用|采用|选用|首选|服用|用于|用来|用药|开了|开|推荐|常用|有效|缓解|就诊|看|挂|挂号|的号|号|属于|归|归属|管|"
        "负责|诊治|诊疗|范围|处理|记作|写成|写作|记为|记录|报告|报告了|临床|临床上|医生|医师|专家|疾病|病|病症|接诊|"
        "前往|送往|带到|选|选择|拿|取|吃|喝|打|注射|应用|给予|对应|代表|表示|编为|编作|归入|列为|列入|列出|划归|收治|"
        "转诊|医治|治|治好|控制|减轻|诊断|确诊|患儿|患病|病情|病人的|本病的|征象|临床表现|主诉|病史|过程|类型|类|"
        "情况|考虑|怀疑|认为|说|知道|记住|注意|有关|相关|人会|让人|使人|指南|资料|书|答案|使|令|首先是|可见|所致|"
        "有人认为|"
        "overview|summary|introduction|conclusion|background|information|detail|rx|hx|dx|tx|pt|随访|复查|复诊|会诊|"
        "评估|"
        "概述|简介|要点|总结|小结|介绍"
    ),
}

_VERBS = (
    "accompany|connect|combine|pair|replace|stop|affect|trigger|provoke|induce|entail|manifest|encounter|face|"
    "display|contribute|arise|stem|characterise|characterize|define|describe|identify|recognise|recognize|confirm|"
    "detect|diagnose|cure|relieve|alleviate|ease|control|combat|fight|counter|administer|apply|recommend|advise|"
    "prefer|choose|select|offer|try|work|respond|benefit|improve|consult|attend|evaluate|examine|classify|label|file|"
    "register|record|index|denote|represent|correspond|match|carry|bear|place|count|rank|consist|cover|follow|begin|"
    "continue|remain|stay|become|tend|seem|happen|strike|plague|trouble|bother|worry|endure|undergo|tell|explain|"
    "ask|distinguish|believe|hope|agree|argue|assume|suppose|guess|imagine|decide|realize|read|write|watch|share|add|"
    "check|test|compare|measure|reduce|increase|decrease|prevent|protect|support|limit|allow|let|leave|live|"
    "wait|mean|know|hear|learn|remember|note|keep|look|talk|speak|discuss|concern|regard|pose|play|serve|act|"
    "exist|depend|"
    "contract|acquire|turn|want|wish|like|raise|trace|reveal|signal|attribute|receive|order"
)
"""Verbs that say no more than that there is a relation; their regular forms are made from them."""

_FORGET = "forget|overlook|ignore|underestimate|neglect|deny|doubt"
_FORGET_ZH = "忘了|忘记|忘|忽视|忽略|小看|低估|否认|怀疑|质疑|置疑"
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    # A verb put to the choice: 是不是, 有没有.
    ("open", r"(?!动不动|时不时)(?<!说)(?P<verb>[^\x00-\x7f])[不没](?P=verb)"),
    # What others do not know is so all the same: `people do not know that`, 很多人不知道, `don't forget`, 别忘了.
    ("glue", r"(?:do|does|did)(?: not|n't) (?:know|realize|realise|notice|expect)(?: is)? that(?![a-z])"),
    ("glue", rf"(?:not|never|cannot|[a-z]+n't) (?:{_FORGET})(?: that)?(?![a-z])"),
    (
        "glue",
        "(?:(?:很多|许多|不少|多数|有|一般)?人们?|大家|患者)(?:并|还|往往|通常|可能)?(?:都|也)?不(?:知道|了解|清楚|晓得|明白)",
    ),
    ("glue", f"(?:别|不要|勿|切勿|不能|不可|不应|不容|不得|毋庸|无可)(?:{_FORGET_ZH})"),
    # An answer, a source or the world that does not know, or not yet.
    (
        "open",
        r"(?:do|does|did|can|could)(?: not|n't|not)(?: yet| really)? "
        r"(?:know|say|tell|find out|decide|confirm|establish|conclude)(?![a-z])",
    ),
    (
        "open",
        r"(?:remains?|yet|needs?|has|have|is|are) to be "
        r"(?:seen|shown|proven|confirmed|established|determined|verified|settled|studied|tested)(?![a-z])",
    ),
    ("open", "(?:有待|(?:仍|还|尚)?需要?(?:进一步|更多)的?)(?:进一步)?(?:研究|证实|验证|观察|确认|探讨|明确|论证)?"),
    (
        "open",
        r"(?:data|evidence)(?![a-z])"
        r"(?=[^,;.]* (?:lacking|scarce|sparse|missing|limited|weak|mixed|insufficient)(?![a-z]))",
    ),
    ("open", "(?:证据|数据|资料)(?=[^,;]*(?:不足|有限|不充分|较少|不多|薄弱))"),
    (
        "open",
        r"(?:waiting for|needs?|requires?) (?:more |further |additional )?"
        r"(?:evidence|data|proof|studies|research|trials|confirmation)(?![a-z])",
    ),
    # What one is told not to believe.
    ("denial", r"(?:do not|don't|never) (?:believe|trust|listen to|fall for)(?: (?:it|them|that|him|her))?(?![a-z])"),
    ("denial", "(?:别|不要|切勿|不可|不能|莫)(?:相信|信|当真|听信|轻信)"),
    ("light", "(?:看法|意见|说法|观点)(?:不一|各异)"),
    ("glue", "(?<![病原成起])因(?![人此而])"),
    (
        "open",
        r"(?:has|have|is|are|was|were)(?: not|n't)(?: yet)? (?:been )?"
        r"(?:established|proven|confirmed|determined|clarified|settled)(?![a-z])",
    ),
    ("open", "(?:尚|还|仍|并)?(?:未|没有?|无)(?:得到|经)?(?:明确|证实|确定|阐明|定论|结论|查明)"),
    ("open", r"(?:perhaps|maybe)(?: it| they)?(?: (?:do|does|is|are|will|can))?(?: not|n't)(?=[,;]|$)"),
    ("open", "(?:也许|或许|可能)(?:并|也)?(?:不|没)(?:会|是|能|有)?(?=[,;]|$)"),
    # How many.
    ("glue", r"\d+(?:\.\d+)? ?(?:%|percent(?![a-z])|per cent(?![a-z]))"),
    ("glue", r"约?[\d一二三四五六七八九十百两几数半多]+(?:个|种|大|类|项|点|名|例|位|岁|成|次)"),
)
_PHRASE = re.compile("|".join(f"(?P<{kind}_{n}>{pattern})" for n, (kind, pattern) in enumerate(_PATTERNS)))


def phrase_at(low: str, at: int) -> tuple[int, Kind] | None:
    """Where a phrase that is made after a pattern ends, and what it does."""
    found = _PHRASE.match(low, at)
    if found is None or found.lastgroup is None:
        return None
    return found.end(), found.lastgroup.partition("_")[0]  # type: ignore[return-value]


def _forms(verb: str) -> list[str]:
    """The regular forms of an English verb."""
    if verb.endswith("e"):
        return [verb, f"{verb}s", f"{verb}d", f"{verb[:-1]}ing"]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"]
    return [verb, f"{verb}{'es' if verb.endswith(('s', 'x', 'ch', 'sh')) else 's'}", f"{verb}ed", f"{verb}ing"]


CUES: dict[str, Kind] = {form: "light" for verb in _VERBS.split("|") for form in _forms(verb)}
CUES |= {phrase: kind for kind in reversed(_WORDS) for phrase in _WORDS[kind].split("|") if phrase}
"""Each phrase and what it does."""
